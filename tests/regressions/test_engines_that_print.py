"""What engines and plugins print on standard output is on standard error: results stay readable."""

import json
from pathlib import Path

import onnx
import pytest

from tests.support.command_line import Said
from tests.support.forked import start
from tests.support.onnx_models import MODELS

ENGINES = ("--device", "cpu.serial", "--device", "noisy", "--pin", "*=noisy")
QUICK = ("--no-cache", "--effort", "quick")
MEASURED = (*ENGINES, *QUICK)
PROFILED = (*ENGINES[:4], "--no-cache")
MODELLED = (*ENGINES[:2], "--device", "noisy:basis=modelled", "--scale", "noisy=1..10")

#: What is asked for, and when the engine prints meanwhile.
COMMANDS = {
    "compile x.onnx -o again.plan": (MEASURED, "load create supports prepare run"),
    "compile x.onnx --dry-run": (ENGINES, "load create supports"),
    "profile x.onnx -o costs.json": (PROFILED, "load create supports prepare run"),
    "sweep x.onnx": ((*MODELLED, *QUICK), "load create supports estimate"),
    "run x.plan --random 0": ((), "load create prepare run"),
    "run x.plan --random 0 --stream --seconds 0.2": ((), "load create prepare run"),
    "bench x.plan --random 0 --rounds 1 --seconds 0.05": ((), "load create prepare run"),
    "devices": ((), "load create"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the package, a model and its plan."""
    place = tmp_path_factory.mktemp("noisy")
    info = place / "noisy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy\nVersion: 1.0\n")
    entry = "noisy = tests.support.noisy:create"
    (info / "entry_points.txt").write_text(f"[stagecut.backends]\n{entry}\n")
    onnx.save(MODELS["residual"].proto(), place / "x.onnx")
    done = _done(place, "compile", "x.onnx", "-o", "x.plan", *MEASURED)
    assert done.code == 0, done.err
    assert "noise" not in done.out
    return place


def _done(folder: Path, *arguments: str) -> Said:
    process = start(*arguments, folder=folder)
    out, err = process.communicate(timeout=300)
    return Said(process.returncode or 0, out, err)


@pytest.mark.parametrize(("command", "given", "when"), [(k, *v) for k, v in COMMANDS.items()])
def test_results_are_json_whatever_an_engine_prints(
    command: str, given: tuple[str, ...], when: str, folder: Path
) -> None:
    done = _done(folder, *command.split(), *given, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["schema"].startswith("stagecut.")
    for each in when.split():
        assert f"noise of {each} in Python" in done.err
        assert f"noise of {each} by descriptor" in done.err


def test_lines_are_the_results_alone_too(folder: Path) -> None:
    done = _done(folder, "devices")
    assert "noise of load in Python" in done.err
    assert all("  " in line for line in done.out.splitlines())
    assert "noise" not in done.out


def test_a_file_may_be_standard_output(folder: Path) -> None:
    """By its names, which are standard error's for all others."""
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        done = _done(folder, "report", "x.plan", "--dot", name)
        assert done.out.startswith("digraph")
        assert "noise" not in done.out

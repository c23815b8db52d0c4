"""Engines that take the process down while they are measured: reported, excluded, worked around."""

import json
import subprocess
import sys
from pathlib import Path

import onnx

from tests.support.onnx_models import MODELS

_NULL = "null:basis=measured,memory=host"

#: A device that ends the process, in place of one that says it can run everything.
_CRASHING = """
import os, sys
from stagecut.backends.null.device import NullBackend, NullExecutable
from stagecut.compiler.cli.main import main

prepare, call = NullBackend.prepare, NullExecutable.__call__
bad = {bad!r}

def crashing(self, stage):
    operators = [node.op_type for node in stage.model.graph]
    if bad in operators and len(operators) >= {least}:
        os.abort()
    return prepare(self, stage)

NullBackend.prepare = crashing
sys.argv = ["stagecut", *{arguments!r}]
main()
"""


def _run(
    folder: Path, bad: str, *arguments: str, least: int = 1
) -> subprocess.CompletedProcess[str]:
    onnx.save(MODELS["branches" if bad == "Tanh" else "residual"].proto(), folder / "x.onnx")
    code = _CRASHING.format(bad=bad, least=least, arguments=arguments)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )


def _compile(folder: Path, bad: str, *, least: int = 1) -> subprocess.CompletedProcess[str]:
    devices = ("--device", "cpu.serial", "--device", _NULL)
    options = ("--granularity", "op", "--no-cache", "--json")
    return _run(folder, bad, "compile", "x.onnx", "-o", "x.plan", *devices, *options, least=least)


def test_a_node_that_crashes_its_engine_is_kept_off_it(tmp_path: Path) -> None:
    done = _compile(tmp_path, "Tanh")
    assert done.returncode == 0, done.stderr
    assert "null crashed (SIGABRT) on Tanh: going on without it there" in done.stderr
    assert "Traceback" not in done.stderr
    [told] = json.loads(done.stdout)["workarounds"]
    assert "null crashed the process" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.onnx", "x.plan"]


def test_several_crashes_one_after_the_other(tmp_path: Path) -> None:
    """Both products, one by one."""
    done = _compile(tmp_path, "MatMul")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("crashed (SIGABRT)") == 2
    assert len(json.loads(done.stdout)["workarounds"]) == 2


def test_a_whole_plan_that_crashes_is_no_contender(tmp_path: Path) -> None:
    """Each node by itself works."""
    done = _compile(tmp_path, "Tanh", least=2)
    assert done.returncode == 0, done.stderr
    assert "going on without it there" in done.stderr
    assert any("it crashed the process" in told for told in json.loads(done.stdout)["workarounds"])


def test_a_crash_that_nothing_else_can_make_up_for_is_an_error(tmp_path: Path) -> None:
    arguments = ("compile", "x.onnx", "-o", "x.plan", "--device", _NULL, "--granularity", "op")
    done = _run(tmp_path, "Tanh", *arguments, "--no-cache")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "null crashed the process" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.onnx"]


def test_profile_survives_as_well(tmp_path: Path) -> None:
    arguments = ("profile", "x.onnx", "-o", "costs.json", "--device", "cpu.serial")
    done = _run(tmp_path, "Tanh", *arguments, "--device", _NULL, "--granularity", "op")
    assert done.returncode == 0, done.stderr
    nodes = json.loads((tmp_path / "costs.json").read_text())["nodes"]
    [tanh] = [node for node in nodes if node["op"] == "Tanh"]
    assert list(tanh["run_s"]) == ["cpu.serial"]


def test_a_crash_that_is_no_engines_is_told_as_such(tmp_path: Path) -> None:
    code = (
        "import os, sys; import stagecut.compiler.cli.app as a, stagecut.compiler.cli.main as m;"
        "a.app = lambda obj: os.abort(); sys.argv = ['stagecut', 'compile']; m.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "the process crashed, and not while an engine was being measured" in done.stderr

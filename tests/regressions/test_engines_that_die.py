"""Engines that end the process, or never come back, wherever they are asked: there is a plan."""

import json
import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from stagecut.runtime.session import Session
from tests.support.forked import Command, start
from tests.support.liar import install
from tests.support.onnx_models import MODELS
from tests.support.reference import assert_as_reference

MODEL = MODELS["branches"].proto()
COMPILE = ("compile", "x.onnx", "-o", "x.plan")
OPTIONS = ("--granularity", "op", "--no-cache", "--effort", "quick", "--json")


def _start(folder: Path, *devices: str, limit_s: float = 600.0) -> Command:
    install(folder)
    onnx.save(MODEL, folder / "x.onnx")
    named = [option for each in devices for option in ("--device", each)]
    timeout = ("--engine-timeout", str(limit_s))
    return start(*COMPILE, *OPTIONS, *named, *timeout, folder=folder)


def _assert_right(plan: Path) -> None:
    session = Session(plan)
    feeds = {
        port.name: np.linspace(-1, 1, math.prod(port.shape), dtype=port.dtype).reshape(port.shape)
        for port in session.planned.inputs
    }
    assert_as_reference(session, MODEL, feeds)


#: Where a device is asked, and what it does; what is told of it.
DEATHS = {
    "liar0:at=create,does=exit 0": "liar0 exited with status 0 when it was made",
    "liar1:at=supports,does=kill,on=Tanh": "liar1 was killed (SIGKILL)",
    "liar2:at=run,does=abort,on=Relu": "liar2 crashed (SIGABRT) on (the start of a stage)",
    "liar3:at=prepare,does=hang,on=Tanh": "liar3 did not come back within 5 s on Tanh",
}


def test_every_death_is_worked_around_one_by_one(tmp_path: Path) -> None:
    process = _start(tmp_path, "cpu.serial", *DEATHS, limit_s=5.0)
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    for told in DEATHS.values():
        assert told in said
    assert said.count("going on without it there") == len(DEATHS)
    found = "; ".join(json.loads(out)["workarounds"])
    for name in ("liar0", "liar1", "liar3"):  # of liar2, only the start of a stage is unknown
        assert name in found
    _assert_right(tmp_path / "x.plan")


def test_a_plan_that_dies_as_a_whole_does_not_ship(tmp_path: Path) -> None:
    process = _start(tmp_path, "cpu.serial", "liar:at=run,does=exit 0,least=2")
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "liar exited with status 0 on a stage of" in said
    assert any("plan liar is left out" in told for told in json.loads(out)["workarounds"])
    _assert_right(tmp_path / "x.plan")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_compile_whose_engine_hangs_can_be_interrupted(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = _start(tmp_path, "cpu.serial", "liar:at=prepare,does=hang,on=Tanh")
    child = _hanging(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (128 + number, "stopped\n")
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"x.onnx", "hanging", "liar-1.0.dist-info"}


def _hanging(folder: Path) -> int:
    for _ in range(600):
        if (folder / "hanging").exists() and (folder / "hanging").read_text():
            return int((folder / "hanging").read_text())
        time.sleep(0.1)
    pytest.fail("it never hung")


#: What a package does when it is loaded, and what is told of it.
LOADS = {
    "import os; os._exit(0)": "exited with status 0",
    "import ctypes; ctypes.string_at(0)": "crashed (SIGSEGV)",
    "import os; os.kill(os.getpid(), 9)": "was killed (SIGKILL)",
}


@pytest.mark.parametrize(("code", "told"), LOADS.items())
def test_a_package_that_ends_the_process_is_listed_as_not_available(
    code: str, told: str, tmp_path: Path
) -> None:
    out, _ = _with_package(tmp_path, code, "devices", "--json")
    listed = {each["name"]: each for each in json.loads(out)["devices"]}
    assert not listed["dies"]["available"]
    assert listed["dies"]["why_not"].startswith(f"it {told}")
    assert listed["cpu.serial"]["available"]


#: They are asked for the real devices, without naming any.
ASKING = {
    "compile x.onnx --dry-run": "stagecut.compile-dry-run/1",
    "profile x.onnx --plan-only": "stagecut.profile/1",
    "sweep x.onnx --set pim.hbm:channels=16,32 --no-cache --effort quick": "stagecut.sweep/1",
}


@pytest.mark.parametrize(("command", "schema"), ASKING.items())
def test_a_package_that_ends_the_process_costs_no_other_device(
    command: str, schema: str, tmp_path: Path
) -> None:
    onnx.save(MODEL, tmp_path / "x.onnx")
    out, said = _with_package(tmp_path, "import os; os._exit(3)", *command.split(), "--json")
    document = json.loads(out)
    assert document["schema"] == schema
    assert "reference device alone" not in said


def _with_package(folder: Path, code: str, *arguments: str) -> tuple[str, str]:
    """What `stagecut ARGUMENTS...` prints where a package of devices runs `code` when it is
    loaded."""
    install(folder)
    entries = "[stagecut.backends]\ndies = dies:create\n"
    (folder / "liar-1.0.dist-info" / "entry_points.txt").write_text(entries)
    (folder / "dies.py").write_text(f"{code}\n")
    process = start(*arguments, folder=folder)
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "when it was made: going on without it there" in said
    return out, said

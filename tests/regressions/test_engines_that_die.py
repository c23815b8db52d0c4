"""Engines that end the process, or never come back, wherever they are asked: there is a plan."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from stagecut.runtime.session import Session
from tests.support.liar import install
from tests.support.onnx_models import MODELS
from tests.support.reference import assert_as_reference
from tests.support.repository import ROOT

MODEL = MODELS["branches"].proto()
COMMAND = (sys.executable, "-m", "stagecut.compiler.cli.main", "compile", "x.onnx", "-o", "x.plan")
OPTIONS = ("--granularity", "op", "--no-cache", "--effort", "quick", "--json")


def _start(folder: Path, *devices: str, limit_s: float = 600.0) -> "subprocess.Popen[str]":
    install(folder)
    onnx.save(MODEL, folder / "x.onnx")
    named = [option for each in devices for option in ("--device", each)]
    path = os.pathsep.join((str(folder), str(ROOT), *filter(None, sys.path)))
    return subprocess.Popen(
        [*COMMAND, *OPTIONS, *named, "--engine-timeout", str(limit_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
    )


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
    "liar3:at=prepare,does=hang,on=Tanh": "liar3 did not come back within 8 s on Tanh",
}


def test_every_death_is_worked_around_one_by_one(tmp_path: Path) -> None:
    process = _start(tmp_path, "cpu.serial", *DEATHS, limit_s=8.0)
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


def test_a_package_that_ends_the_process_is_listed_as_not_available(tmp_path: Path) -> None:
    """And is not taken where no devices are named."""
    install(tmp_path)
    entries = "[stagecut.backends]\ndies = dies:create\n"
    (tmp_path / "liar-1.0.dist-info" / "entry_points.txt").write_text(entries)
    (tmp_path / "dies.py").write_text("import os\nos._exit(0)\n")
    path = os.pathsep.join((str(tmp_path), str(ROOT), *filter(None, sys.path)))
    done = subprocess.run(
        [*COMMAND[:3], "devices", "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    listed = {each["name"]: each for each in json.loads(done.stdout)["devices"]}
    assert not listed["dies"]["available"]
    assert listed["dies"]["why_not"] == "it exited with status 0"
    assert listed["cpu.serial"]["available"]
    assert "dies exited with status 0 when it was made: going on without it" in done.stderr

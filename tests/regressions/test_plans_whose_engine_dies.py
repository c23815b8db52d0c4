"""Plans whose device ends the process when they are used: it is said which one, and what to do."""

import io
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.support.command_line import Said
from tests.support.forked import Command, start
from tests.support.liar import install
from tests.support.onnx_models import MODELS

FALLBACK = ("run", "x.plan", "--random", "0", "--fallback")
ESTIMATE = ("estimate", "dies", "Relu", "--shape", "4")

#: A device that is sound, until a file says where it dies, and how.
PACKAGE = """
from pathlib import Path
from tests.support import liar

def create(name, options):
    if Path("death").exists():
        options = {**options, **dict(zip(("at", "does"), Path("death").read_text().split(": ")))}
    return liar.create(name, options)
"""

#: Where it dies, and how; what is told of it.
DEATHS = {
    "create: exit 0": "dies exited with status 0 when it was made: going on without it there",
    "create: segfault": "dies crashed (SIGSEGV) when it was made: going on without it there",
    "prepare: kill": "dies was killed (SIGKILL), as the system does where memory runs out when",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With `x.plan`, which runs on the device `dies`."""
    folder = tmp_path_factory.mktemp("dies")
    install(folder)
    entries = "[stagecut.backends]\ndies = dies:create\n"
    (folder / "liar-1.0.dist-info" / "entry_points.txt").write_text(entries)
    (folder / "dies.py").write_text(PACKAGE)
    onnx.save(MODELS["branches"].proto(), folder / "x.onnx")
    devices = "--device dies --device cpu.serial --pin *=dies"
    done = _stagecut(folder, *f"compile x.onnx -o x.plan {devices} --effort quick".split())
    assert done.code == 0, done.err
    return folder


def _stagecut(folder: Path, *arguments: str, death: str = "") -> Said:
    process = _started(folder, *arguments, death=death)
    out, err = process.communicate(timeout=120)
    return Said(process.returncode or 0, out, err)


def _started(folder: Path, *arguments: str, death: str = "") -> Command:
    (folder / "death").unlink(missing_ok=True)
    if death:
        (folder / "death").write_text(death)
    return start(*arguments, folder=folder)


@pytest.mark.parametrize(("death", "told"), DEATHS.items())
def test_run_says_which_device_it_was_and_what_to_do(death: str, told: str, folder: Path) -> None:
    done = _stagecut(folder, "run", "x.plan", "--random", "0", death=death)
    assert done.code == 1
    assert told in done.err
    assert "dies: it " in done.err
    assert "--fallback" in done.err
    assert done.out == ""


@pytest.mark.parametrize(("death", "told"), DEATHS.items())
def test_the_fallback_runs(death: str, told: str, folder: Path) -> None:
    done = _stagecut(folder, *FALLBACK, "--json", death=death)
    assert done.code == 0, done.err
    assert told in done.err
    assert json.loads(done.out)["schema"] == "stagecut.run/1"


def test_bench_runs_the_fallback_in_its_processes_too(folder: Path) -> None:
    command = "bench x.plan --fallback --against onnxruntime --rounds 1 --seconds 0.01 --json"
    done = _stagecut(folder, *command.split(), death="create: segfault")
    assert done.code == 0, done.err
    assert json.loads(done.out)["schema"] == "stagecut.bench/1"


def test_inputs_out_of_a_pipe_are_left_to_the_fallback(folder: Path) -> None:
    """Which nobody writes a second time."""
    array, pipe = io.BytesIO(), folder / "x.npy"
    np.save(array, np.ones((2, 4), np.float32))
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as writer:
        written = writer.submit(pipe.write_bytes, array.getvalue())
        command = "bench x.plan --fallback --against onnxruntime --rounds 1 --seconds 0.01"
        done = _stagecut(folder, *command.split(), "--input", f"x={pipe}", death="create: exit 0")
        if not written.done():
            pipe.read_bytes()
    assert done.code == 0, done.err


def test_a_run_that_dies_in_a_stage_is_told_and_not_repeated(folder: Path) -> None:
    done = _stagecut(folder, "run", "x.plan", "--random", "0", death="run: abort")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: stagecut: the process crashed (SIGABRT)\n")
    assert "Traceback" not in done.err


def test_estimate_says_that_the_device_ended_it(folder: Path) -> None:
    done = _stagecut(folder, *ESTIMATE, death="create: segfault")
    assert done.code == 1
    assert "dies crashed (SIGSEGV) when it was made" in done.err


def test_a_run_whose_engine_hangs_can_be_interrupted(folder: Path) -> None:
    (folder / "hanging").unlink(missing_ok=True)
    command = ("run", "x.plan", "--random", "0")
    process = _started(folder, *command, death="prepare: hang")
    for _ in range(600):
        if (folder / "hanging").exists() and (folder / "hanging").read_text():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "stopped\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "hanging").read_text()), 0)

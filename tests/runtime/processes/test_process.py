"""A replica in a process of its own: its answers, its errors, its end, and its successor."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.ir.errors import ClosedError, CrashFault, EngineError, StageFault
from stagecut.runtime.processes.process import Job, Process
from tests.support.hosted import FEEDS, expected_outputs, is_there, staged
from tests.support.nodes import sample

X = FEEDS["x"]
[PROGRAM] = staged().programs
LAST = max(os.sched_getaffinity(0))


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    made = Process(Job(0, "cpu.serial", "cpu.serial", PROGRAM, (LAST,)))
    yield made
    made.end()


def _right(process: Process) -> None:
    first = process([X])
    second = process([np.zeros_like(X)])
    expected = expected_outputs(X)
    for given, value in zip(first, PROGRAM.outputs, strict=True):
        np.testing.assert_allclose(given, expected[value.name], rtol=1e-5)
    assert not np.array_equal(first[0], second[0])  # what was handed back is not written over


def test_answers_errors_a_crash_and_a_new_start(process: Process) -> None:
    """One after the other, as a start takes most of a second."""
    assert process.number is None
    _right(process)
    number = process.number
    assert number is not None
    assert os.sched_getaffinity(number) == {LAST}

    with pytest.raises(TypeError):  # before anything was asked
        process([X.astype(np.int64)])
    _right(process)
    assert process.number == number

    os.kill(number, signal.SIGSEGV)
    with pytest.raises(CrashFault, match=r"in which it ran crashed \(SIGSEGV\)") as error:
        process([X])
    assert (error.value.stage, error.value.device) == (0, "cpu.serial")
    assert not is_there(number)

    _right(process)
    assert process.number != number
    second = process.number
    process.end()
    assert not is_there(second or 0)
    with pytest.raises(ClosedError, match="is closed"):
        process([X])


def test_weights_in_few_bits_are_read_where_they_lie(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal((64, 96)).astype(np.float32)
    case = sample("(float[3, 64] x) => (float[3, 96] y) { y = MatMul(x, w) }", w=weight)
    device = backends.create("cpu.int8.serial")
    stage = backends.stored(device, case.stage)
    [file] = write_weights([stage.model], tmp_path)
    file.refer(stage.model.graph)
    assert [*file.places] == ["w/values"]
    process = Process(Job(0, "cpu.int8.serial", "cpu.int8.serial", stage))
    feeds = case.feeds()
    np.testing.assert_array_equal(process(feeds)[0], device.prepare(case.stage)(feeds)[0])
    process.end()


def test_a_device_that_is_not_there() -> None:
    process = Process(Job(1, "npu", "npu", PROGRAM))
    with pytest.raises(StageFault, match="there is no device 'npu'") as error:
        process([X])
    assert error.value.stage == 1
    assert process.number is None


def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    process = Process(Job(0, "cpu.serial", "cpu.serial", PROGRAM))
    with pytest.raises(EngineError, match="cannot start a process: No such file"):
        process([X])
    process.end()


def test_one_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stagecut.runtime.processes.process._START", "import time; time.sleep(600)")
    process = Process(Job(0, "cpu.serial", "cpu.serial", PROGRAM), timeout_s=0.05)
    with pytest.raises(CrashFault, match=r"did not come back within 0\.05 s"):
        process([X])
    assert process.number is None

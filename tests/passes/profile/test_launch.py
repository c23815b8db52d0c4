"""What starting a stage costs: the smallest stage there is, by a fake clock."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from stagecut.backends import null
from stagecut.backends.null.device import NullBackend, NullExecutable
from stagecut.compiler.ir.device import RunnerFactory, StagedSchedule, Tensor
from stagecut.passes.profile.launch import Starts
from stagecut.runtime.executor import Executor


class Clock:
    """A run takes 3 s, and every tenth a minute more."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.runs = 0

    def __call__(self) -> float:
        return self.now_s

    def run(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        self.runs += 1
        self.now_s += 63.0 if self.runs % 10 == 0 else 3.0
        assert [array.dtype for array in inputs] == [np.float32]
        return [*inputs]


def _backend(**options: str) -> NullBackend:
    return null.create("null", {"basis": "measured", **options})


def _build(backend: NullBackend, clock: Callable[[], float]) -> RunnerFactory:
    def build(staged: StagedSchedule, outputs: Sequence[str]) -> Executor:
        return Executor(staged, outputs, {"null": backend}, clock=clock)

    return build


def _timed(
    backend: NullBackend, clock: Callable[[], float], timed_s: Sequence[float] = ()
) -> float:
    """By two turns that count, after one that does not."""
    starts = Starts(backend, _build(backend, clock))
    for counts in (False, True, True):
        starts.run(counts)
    return starts.time_s(timed_s)


@pytest.mark.parametrize("memory", ["host", "far"])
def test_the_median_of_many_runs(monkeypatch: pytest.MonkeyPatch, memory: str) -> None:
    clock = Clock()
    monkeypatch.setattr(NullExecutable, "__call__", lambda _, inputs: clock.run(inputs))
    assert _timed(_backend(memory=memory), clock) == 3.0
    assert clock.runs == 75


def test_a_start_is_a_part_of_the_least_that_was_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that noise leaves no node without time of its own."""
    clock = Clock()
    monkeypatch.setattr(NullExecutable, "__call__", lambda _, inputs: clock.run(inputs))
    assert _timed(_backend(), clock, [8.0, 2.0]) == 0.9 * 2.0
    assert _timed(_backend(), clock, [8.0, 5.0]) == 3.0


def test_a_device_that_cannot_run_it_starts_for_nothing() -> None:
    assert _timed(_backend(operators="MatMul"), Clock()) == 0.0


def test_so_does_one_that_was_never_timed() -> None:
    backend = _backend()
    assert Starts(backend, _build(backend, Clock())).time_s([]) == 0.0


def test_so_does_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Mapping[str, Tensor]:
        raise RuntimeError("out of order")

    monkeypatch.setattr(NullExecutable, "__call__", fails)
    assert _timed(_backend(), Clock()) == 0.0


def test_so_does_one_that_cannot_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> NullExecutable:
        raise RuntimeError("out of order")

    monkeypatch.setattr(NullBackend, "prepare", fails)
    assert _timed(_backend(), Clock()) == 0.0


def test_the_smallest_stage_is_one_that_an_engine_can_run() -> None:
    """Engines are asked with a real model: the reference evaluator runs it."""
    clock = iter(range(10**6))
    assert _timed(_backend(memory="host"), lambda: float(next(clock))) == 1.0

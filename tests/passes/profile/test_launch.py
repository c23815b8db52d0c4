"""What starting a stage costs: the smallest stage there is, by a fake clock."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from stagecut.backends import null
from stagecut.backends.null.device import NullBackend, NullExecutable
from stagecut.compiler.ir.device import RunnerFactory, StagedSchedule, Tensor
from stagecut.passes.profile.launch import launch_s
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


def _launch_s(backend: NullBackend, clock: Callable[[], float]) -> float:
    return launch_s(backend, _build(backend, clock))


@pytest.mark.parametrize("memory", ["host", "far"])
def test_the_median_of_many_runs(monkeypatch: pytest.MonkeyPatch, memory: str) -> None:
    clock = Clock()
    monkeypatch.setattr(NullExecutable, "__call__", lambda _, inputs: clock.run(inputs))
    assert _launch_s(_backend(memory=memory), clock) == 3.0
    assert clock.runs == 220  # the first 20 warm up


def test_a_device_that_cannot_run_it_starts_for_nothing() -> None:
    assert _launch_s(_backend(operators="MatMul"), Clock()) == 0.0


def test_so_does_one_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Mapping[str, Tensor]:
        raise RuntimeError("out of order")

    monkeypatch.setattr(NullExecutable, "__call__", fails)
    assert _launch_s(_backend(), Clock()) == 0.0


def test_the_smallest_stage_is_one_that_an_engine_can_run() -> None:
    """Engines are asked with a real model: the reference evaluator runs it."""
    clock = iter(range(10**6))
    assert _launch_s(_backend(memory="host"), lambda: float(next(clock))) == 1.0

"""A stream that is kept full: what counts is what leaves it while every replica is busy."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import pytest

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.stream_trace import Call
from stagecut.runtime.executor import Executor
from stagecut.runtime.stream.full import FullStream, Rounds, _call_s, whole_rounds


class Stages:
    """Looks like an executor of stages that do as these functions."""

    def __init__(self, *stages: Callable[[], None]) -> None:
        self.stages = stages

    def by_stage(self, feeds: Feeds) -> "Stages.Passage":
        return Stages.Passage(feeds, self.stages)

    def outputs(self, feeds: Feeds) -> Feeds:
        for stage in self.stages:
            stage()
        return feeds

    class Passage:
        def __init__(self, feeds: Feeds, stages: tuple[Callable[[], None], ...]) -> None:
            self.feeds, self.left = feeds, [*stages]

        def advance(self) -> bool:
            self.left.pop(0)()
            return not self.left

        def outputs(self) -> Feeds:
            return self.feeds


def _full(replicas: tuple[int, ...], *stages: Callable[[], None]) -> FullStream:
    return FullStream(cast("Executor", Stages(*stages)), replicas, sum(replicas) + len(replicas))


FEEDS = {"x": np.zeros(1)}


def _sleep(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)


def test_what_it_says_of_itself() -> None:
    """Sleeping takes no core, so that two replicas let twice as many through, whatever else runs;
    how long it takes depends on the machine."""
    run = _full((2, 1), _sleep(0.004), _sleep(0.001)).run(FEEDS, 0.1)
    assert run.inputs >= 2 * 3
    assert len(run.call_s) == 2
    assert run.call_s[0] >= 0.004
    assert run.call_s[1] >= 0.001
    assert run.period_s >= 0.004 / 2 * 0.5  # of two at once
    assert run.period_s == run.wall_s / run.inputs
    assert run.ran > run.inputs


#: When outputs left, how many replicas and inputs in a call there are -> inputs, and seconds.
ROUNDS = {
    "one replica": ([1, 2, 3, 4], 1, (3, 3)),
    "two side by side, one of which has ended": ([1, 1, 2, 2, 3, 3, 4], 2, (4, 2)),
    "two in turns": ([1, 1.5, 2, 2.5, 3], 2, (2, 1)),
    "batches of two": ([1, 1, 2, 2, 3, 3, 4, 4], 2, (6, 3)),
    "batches of two behind a single input": ([0, 1, 1, 2, 2, 3, 3], 2, (4, 2)),
    "batches of two side by side": ([1, 1, 1, 1, 2, 2, 2, 2, 3, 3], 4, (4, 1)),
}


@pytest.mark.parametrize(("left_s", "every", "counted"), ROUNDS.values(), ids=ROUNDS.keys())
def test_whole_rounds_count(
    left_s: Sequence[float], every: int, counted: tuple[int, float]
) -> None:
    rounds = whole_rounds(left_s, every)
    assert (rounds.inputs, rounds.wall_s) == counted


def test_calls_that_ended_meanwhile_count_on_average() -> None:
    """One of three that was slow counts: a replica lets through as much less."""
    ends = (1.0, 2.0, 4.0, 5.0, 6.0)
    calls = [Call(0, 0, 1, start, end) for start, end in pairwise((0.5, *ends))]
    assert _call_s(calls, Rounds(3, 1.0, 5.0)) == pytest.approx(4 / 3)
    assert _call_s(calls[:1], Rounds(3, 1.0, 5.0)) == 0.5  # of a stage that only ran before


def test_a_few_inputs_at_the_least() -> None:
    run = _full((1,), _sleep(0.01)).run(FEEDS, 0.0)
    assert run.inputs >= 3


def test_at_the_least_as_many_as_it_is_told() -> None:
    stages = Stages(_sleep(0.01))
    run = FullStream(cast("Executor", stages), (1,), 2, least=1).run(FEEDS, 0.0)
    assert 1 <= run.inputs < 4


class Rows(Stages):
    """Notes how many inputs each call had."""

    def __init__(self) -> None:
        super().__init__(_sleep(0.002))
        self.sizes: list[int] = []

    def by_stage(self, feeds: Feeds) -> Stages.Passage:
        self.sizes.append(len(feeds["x"]))
        return super().by_stage(feeds)


def test_full_batches_go_another_way_and_inputs_are_counted_one_by_one() -> None:
    single, full = Rows(), Rows()
    executors = cast("Executor", single), cast("Executor", full)
    run = FullStream(executors[0], (1,), 8, batches=(4,), full=executors[1]).run(FEEDS, 0.05)
    assert set(single.sizes) == {1}
    assert set(full.sizes) == {4}
    assert run.ran == len(single.sizes) + 4 * len(full.sizes)
    assert run.inputs >= 4 * 4


class Outputs(Stages):
    """Stages that hand back another array each time; notes how many there are at most."""

    def __init__(self) -> None:
        super().__init__(_sleep(0.001))
        self._made: list[weakref.ref[Tensor]] = []
        self.most = 0

    def by_stage(self, feeds: Feeds) -> Stages.Passage:
        made = np.zeros(1)
        self._made.append(weakref.ref(made))
        self.most = max(self.most, sum(each() is not None for each in self._made))
        return super().by_stage({"y": made})


def test_outputs_are_let_go_as_soon_as_they_are_there() -> None:
    """Those of a model may be large, and nobody reads them here."""
    outputs = Outputs()
    gc.disable()
    try:
        run = FullStream(cast("Executor", outputs), (2,), 3).run(FEEDS, 0.05)
    finally:
        gc.enable()
    assert run.ran >= 8
    assert outputs.most <= 5  # what is in flight, and what was just handed back


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    _full((3,), _sleep(0.001)).run(FEEDS, 0.01)
    assert set(threading.enumerate()) <= before


def test_an_engine_that_fails() -> None:
    def fail() -> None:
        raise EngineError("has had enough")

    with pytest.raises(EngineError, match="has had enough"):
        _full((2, 1), _sleep(0.001), fail).run(FEEDS, 5.0)

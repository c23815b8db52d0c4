"""The threads of a stream: room, overload, batches, closing, and what happens when one dies."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from itertools import count
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import ClosedError, EngineError, OverloadError, StagecutError
from stagecut.runtime.stream.item import Item
from stagecut.runtime.stream.pipeline import Layout, Overload, Pipeline
from stagecut.runtime.variant import Variant
from tests.support import awake
from tests.support.awake import never_asleep
from tests.support.fake_variant import FakeVariant, Stage, interrupt_main_thread, item, stream_of

WAIT_S = 10.0


class Gate:
    """A stage that notes what it gets, and lets it through when it is open."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []
        self._open = threading.Semaphore(0)
        self._reached = threading.Semaphore(0)

    def __call__(self, array: Tensor) -> Tensor:
        self.seen.append(array.tolist())
        self._reached.release()
        assert self._open.acquire(timeout=WAIT_S)
        return array

    def reached(self) -> None:
        """Wait until one more call is in."""
        assert self._reached.acquire(timeout=WAIT_S)

    def let_through(self, calls: int = 1) -> None:
        self._open.release(calls)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def pipelines(gate: Gate) -> Iterator[Callable[[FakeVariant], Pipeline]]:
    """Makes pipelines; none of their threads is left behind."""
    made: list[Pipeline] = []

    def make(variant: FakeVariant) -> Pipeline:
        pipeline = Pipeline(Layout.of(cast("Variant", variant)), time.perf_counter)
        made.append(pipeline)
        return pipeline

    yield make
    gate.let_through(1000)
    for pipeline in made:
        pipeline.close(cancel=True)
        pipeline.join()
        assert not [each for each in threading.enumerate() if each in pipeline._threads]


Pipelines = Callable[[FakeVariant], Pipeline]


def _result(one: Item) -> list[float]:
    [array] = one.future.result(WAIT_S)
    return cast("list[float]", array.tolist())


#: The stream of a plan for two stages -> in flight, threads of each stage.
LAYOUTS: dict[str, tuple[Any, int, tuple[int, ...]]] = {
    "nothing is known": (None, 4, (1, 1)),
    "no period": (stream_of(2, 3), 7, (2, 3)),
    "a batch more than is on its way": (stream_of(2, 2, period_s=1.0), 2, (2, 2)),
    "of four": (stream_of(1, 1, batch=4, period_s=1.0), 4, (1, 1)),
}


@pytest.mark.parametrize(("stream", "limit", "replicas"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_layouts(stream: Any, limit: int, replicas: tuple[int, ...]) -> None:
    variant = FakeVariant(lambda array: array, lambda array: array, stream=stream)
    layout = Layout.of(cast("Variant", variant))
    assert (layout.limit, layout.replicas) == (limit, replicas)


@pytest.mark.parametrize(("run_s", "limit", "together"), [(1e-4, 10, 5), (1e-2, 2, 1), (0.0, 2, 1)])
def test_of_inputs_that_are_over_at_once_there_are_more(
    run_s: float, limit: int, together: int
) -> None:
    variant = FakeVariant(lambda array: array)
    variant.run_s = run_s
    layout = Layout.of(cast("Variant", variant))
    assert (layout.limit, layout.together) == (limit, together)


def test_at_the_planned_rate_there_are_latency_over_period_on_the_way() -> None:
    stream = stream_of(4, 4, period_s=0.010)
    object.__setattr__(stream, "latency_s", 0.035)
    variant = FakeVariant(lambda array: array, lambda array: array, stream=stream)
    assert Layout.of(cast("Variant", variant)).limit == 5


def test_a_plan_of_no_stages_has_one_that_hands_back(pipelines: Pipelines) -> None:
    for stream in (None, stream_of()):
        variant = FakeVariant(lambda array: array, stream=stream)
        variant.devices = []
        pipeline = pipelines(variant)
        assert pipeline.layout.replicas == (1,)
        pipeline.submit(one := item(variant, 4), "block")
        assert _result(one) == [4]
        assert [stage.name for stage in pipeline.snapshot().stages()] == ["no stage"]


def test_all_replicas_of_a_stage_work_at_once(gate: Gate, pipelines: Pipelines) -> None:
    pipeline = pipelines(variant := FakeVariant(gate, stream=stream_of(3)))
    items = [item(variant, number) for number in range(3)]
    for one in items:
        pipeline.submit(one, "raise")
    for _ in items:
        gate.reached()
    gate.let_through(3)
    assert [_result(one) for one in items] == [[0], [1], [2]]


def test_what_is_there_when_a_call_begins_is_one_batch(gate: Gate, pipelines: Pipelines) -> None:
    pipeline = pipelines(variant := FakeVariant(gate, stream=stream_of(1, batch=3)))
    items = [item(variant, number) for number in range(6)]
    for one in items[:1]:
        pipeline.enqueue(one)
    gate.reached()
    for one in items[1:]:
        pipeline.enqueue(one)
    gate.let_through(3)
    assert [_result(one) for one in items] == [[number] for number in range(6)]
    assert gate.seen == [[0], [1, 2, 3], [4, 5]]
    [stage] = pipeline.snapshot().stages()
    assert stage.batches == {1: 1, 2: 1, 3: 1}


def _times(factor: int) -> Stage:
    return lambda array: array * factor + 1


@settings(max_examples=25, deadline=None)
@given(
    stages=st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=4),
    batch=st.integers(1, 3),
    count=st.integers(1, 20),
)
def test_outputs_are_right_whatever_number_of_inputs_each_stage_takes(
    stages: list[tuple[int, bool]], batch: int, count: int
) -> None:
    replicas = tuple(replicas for replicas, _ in stages)
    batches = tuple(batch if together else 1 for _, together in stages)
    made = [_times(at + 2) for at in range(len(stages))]
    variant = FakeVariant(*made, stream=stream_of(*replicas, batches=batches))
    variant.has_full_batches = True
    pipeline = Pipeline(Layout.of(cast("Variant", variant)), time.perf_counter)
    items = [item(variant, number) for number in range(count)]
    for one in items:
        pipeline.submit(one, "block")
    expected = np.arange(count, dtype=float)
    for stage in made:
        expected = stage(expected)
    assert [_result(one) for one in items] == [[number] for number in expected]
    seen = pipeline.snapshot()
    pipeline.close(cancel=False)
    pipeline.join()
    for calls, most in zip(seen.calls, batches, strict=True):
        assert {call.inputs for call in calls} <= {1, most}
        assert sum(call.inputs for call in calls) == count


def test_inputs_of_two_shapes_are_never_in_one_batch(gate: Gate, pipelines: Pipelines) -> None:
    pipeline = pipelines(variant := FakeVariant(gate, stream=stream_of(1, batch=4)))
    first, *others = [item(variant, *[number] * (1 + number % 2)) for number in range(5)]
    pipeline.enqueue(first)
    gate.reached()
    for one in others:
        pipeline.enqueue(one)
    gate.let_through(3)
    assert [_result(one) for one in others] == [[1, 1], [2], [3, 3], [4]]
    assert gate.seen == [[0], [1, 1, 3, 3], [2, 4]]


def _full(
    gate: Gate, pipelines: Pipelines, overload: Overload = "raise"
) -> tuple[Pipeline, FakeVariant, list[Item]]:
    """One input runs, one waits, and there is no room for another."""
    pipeline = pipelines(variant := FakeVariant(gate))
    items = [item(variant, 0), item(variant, 1)]
    for one in items:
        pipeline.submit(one, overload)
    gate.reached()
    return pipeline, variant, items


#: What is done with a third input -> what becomes of the three.
POLICIES: dict[Overload, list[object]] = {
    "drop_oldest": [[0], OverloadError, [2]],
    "drop_newest": [[0], [1], OverloadError],
}


@pytest.mark.parametrize(("overload", "endings"), POLICIES.items(), ids=POLICIES.keys())
def test_overload(
    overload: Overload, endings: list[object], gate: Gate, pipelines: Pipelines
) -> None:
    pipeline, variant, items = _full(gate, pipelines, overload)
    items.append(item(variant, 2))
    pipeline.submit(items[2], overload)
    gate.let_through(2)
    errors = [one.future.exception(WAIT_S) for one in items]
    found = [
        _result(one) if error is None else type(error)
        for one, error in zip(items, errors, strict=True)
    ]
    assert found == endings
    assert "2 inputs are in flight" in str(next(filter(None, errors)))


def test_nobody_drops_what_others_have_submitted_to_be_run(
    gate: Gate, pipelines: Pipelines
) -> None:
    pipeline, variant, items = _full(gate, pipelines)
    third = item(variant, 2)
    pipeline.submit(third, "drop_oldest")
    gate.let_through(2)
    assert [_result(one) for one in items] == [[0], [1]]
    with pytest.raises(OverloadError):
        third.future.result(WAIT_S)


def test_overload_is_told_or_tried(gate: Gate, pipelines: Pipelines) -> None:
    pipeline, variant, _ = _full(gate, pipelines)
    with pytest.raises(OverloadError, match="2 inputs are in flight"):
        pipeline.submit(item(variant, 2), "raise")
    assert not pipeline.try_submit(item(variant, 2))
    assert pipeline.snapshot().waiting == (1,)


def test_nothing_that_has_begun_is_dropped(gate: Gate, pipelines: Pipelines) -> None:
    """Both replicas of the first stage are at work, so that nothing waits that could go."""
    pipeline = pipelines(variant := FakeVariant(gate, stream=stream_of(2, period_s=1.0)))
    items = [item(variant, number) for number in range(3)]
    for one in items:
        pipeline.submit(one, "drop_oldest")
        if one is not items[2]:
            gate.reached()
    with pytest.raises(OverloadError):
        items[2].future.result(WAIT_S)
    gate.let_through(2)
    assert [_result(one) for one in items[:2]] == [[0], [1]]


def _blocked(pipeline: Pipeline, one: Item) -> "Future[None]":
    """`submit` in a thread of its own, which is waiting for room; done when it is back."""
    back: Future[None] = Future()

    def wait() -> None:
        try:
            pipeline.submit(one, "block")
        except BaseException as error:
            back.set_exception(error)
        else:
            back.set_result(None)

    threading.Thread(target=wait).start()
    _until_it_waits(pipeline, one)
    return back


def _until_it_waits(pipeline: Pipeline, one: Item) -> None:
    while True:
        with pipeline._lock:
            if one in pipeline._scheduler.not_begun():
                return
        time.sleep(0.001)


def test_who_has_to_wait_is_admitted_in_turn(gate: Gate, pipelines: Pipelines) -> None:
    pipeline, variant, items = _full(gate, pipelines)
    waiting = [item(variant, 2), item(variant, 3)]
    back = [_blocked(pipeline, one) for one in waiting]
    gate.let_through()
    back[0].result(WAIT_S)
    assert not back[1].done()
    gate.let_through(3)
    back[1].result(WAIT_S)
    assert [_result(one) for one in (*items, *waiting)] == [[0], [1], [2], [3]]


@pytest.mark.parametrize("cancel", [False, True])
def test_closing_while_it_is_full(cancel: bool, gate: Gate, pipelines: Pipelines) -> None:
    pipeline, variant, items = _full(gate, pipelines)
    items.append(item(variant, 2))
    back = _blocked(pipeline, items[2])
    pipeline.close(cancel=cancel)
    with pytest.raises(ClosedError, match="is closed"):
        pipeline.enqueue(item(variant, 3))
    gate.let_through(3)
    back.result(WAIT_S)
    pipeline.join()
    assert _result(items[0]) == [0]
    for number, one in enumerate(items[1:], start=1):
        if cancel:
            with pytest.raises(CancelledError):
                one.future.result(WAIT_S)
        else:
            assert _result(one) == [number]


def test_what_is_cancelled_never_runs(gate: Gate, pipelines: Pipelines) -> None:
    pipeline, _, items = _full(gate, pipelines)
    assert items[1].future.cancel()
    assert not items[0].future.cancel()
    gate.let_through()
    pipeline.close(cancel=False)
    pipeline.join()
    assert gate.seen == [[0]]
    assert pipeline.snapshot().outputs == 1


def test_who_is_interrupted_while_he_waits_takes_his_input_back(
    gate: Gate, pipelines: Pipelines
) -> None:
    pipeline, variant, items = _full(gate, pipelines)
    third = item(variant, 2)

    def interrupt() -> None:
        _until_it_waits(pipeline, third)
        interrupt_main_thread()

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        pipeline.submit(third, "block")
    assert third.future.cancelled()
    gate.let_through(2)
    assert [_result(one) for one in items] == [[0], [1]]


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), SystemExit(1)], ids=type)
def test_a_worker_that_dies_leaves_nobody_waiting(
    error: BaseException, gate: Gate, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, variant, items = _full(gate, pipelines)
    items.append(item(variant, 2))
    back = _blocked(pipeline, items[2])

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pipeline._scheduler, "end", fail)
    gate.let_through(3)
    for one in items:
        with pytest.raises(EngineError, match=f"broken off by {type(error).__name__}"):
            one.future.result(WAIT_S)
    back.result(WAIT_S)
    with pytest.raises(EngineError, match="broken off"):
        pipeline.submit(item(variant, 3), "block")
    pipeline.join()


def test_a_change_that_is_interrupted_breaks_the_stream_and_does_not_corrupt_it(
    gate: Gate, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, variant, items = _full(gate, pipelines)

    def interrupted() -> list[Item]:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline._scheduler, "admit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipeline.enqueue(item(variant, 2))
    gate.let_through(2)
    for one in items:
        with pytest.raises(EngineError, match="broken off by KeyboardInterrupt"):
            one.future.result(WAIT_S)


def test_threads_that_cannot_be_had(pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = pipelines(variant := FakeVariant(lambda array: array, stream=stream_of(2)))
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def only_one(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", only_one)
    with pytest.raises(EngineError, match="cannot start a thread") as caught:
        pipeline.submit(item(variant, 1), "block")
    assert caught.value.where == "replica 1 of stage 0"
    started[0].join(WAIT_S)
    assert not started[0].is_alive()


def test_threads_sleep_while_there_is_nothing_to_do(pipelines: Pipelines) -> None:
    pipeline = pipelines(variant := FakeVariant(lambda array: array, stream=stream_of(8)))
    pipeline.submit(one := item(variant, 1), "block")
    assert _result(one) == [1]
    assert not never_asleep()


@pytest.mark.parametrize("wait", [lambda: None, lambda: time.sleep(0)], ids=["spins", "polls"])
def test_a_thread_that_did_not_would_be_seen(wait: Callable[[], None]) -> None:
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            wait()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        assert str(thread.native_id) in never_asleep()
    finally:
        done.set()
        thread.join(WAIT_S)


@pytest.mark.parametrize(("runs", "expected"), [(True, {"7"}), (False, set())])
def test_who_waits_for_a_cpu_is_looked_at_until_it_has_had_one(
    runs: bool, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the 100th look it has one, and goes on with it, or sleeps."""
    looks = count()

    def seen() -> dict[str, awake._Seen]:
        has_run = next(looks) >= 100
        return {"7": awake._Seen(runs or not has_run, 0, int(has_run))}

    monkeypatch.setattr(awake, "_seen", seen)
    monkeypatch.setattr(awake, "_APART_S", 0.0)
    assert never_asleep() == expected
    assert next(looks) == 101


def test_a_callback_may_submit_and_even_close(gate: Gate, pipelines: Pipelines) -> None:
    pipeline = pipelines(variant := FakeVariant(lambda array: array + 1))
    second = item(variant, 5)

    def go_on(_: object) -> None:
        pipeline.submit(second, "block")
        pipeline.close(cancel=False)
        pipeline.join()

    first = item(variant, 1)
    first.future.add_done_callback(go_on)
    pipeline.submit(first, "block")
    assert (_result(first), _result(second)) == ([2], [6])


def test_a_callback_may_submit_when_everything_breaks(
    gate: Gate, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_on(_: object) -> None:
        with pytest.raises(EngineError, match="broken off"):
            pipeline.submit(item(variant, 5), "block")
        told.set()

    told = threading.Event()
    pipeline, variant, items = _full(gate, pipelines)
    items[1].future.add_done_callback(go_on)
    monkeypatch.setattr(pipeline._scheduler, "end", None)
    gate.let_through(2)
    assert told.wait(WAIT_S)


def test_what_nobody_wants_any_more_is_dropped_in_silence(gate: Gate, pipelines: Pipelines) -> None:
    pipeline, variant, items = _full(gate, pipelines, "drop_oldest")
    items[1].future.cancel()
    pipeline.submit(third := item(variant, 2), "drop_oldest")
    gate.let_through(2)
    assert _result(third) == [2]
    assert items[1].future.cancelled()


def test_errors_are_of_the_family() -> None:
    assert issubclass(OverloadError, StagecutError)
    assert issubclass(ClosedError, StagecutError)

"""Simulated streams against what can be said in one line: servers, saturated memory, bottlenecks;
and against the scheduler's own rules."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.fluid import Pool, Segment, Traffic
from stagecut.runtime.simulate.simulate import Simulation, simulate

DRAM = Pool("dram", 1e9)


class _Fixed:
    """Stage i takes `times_s[i]` for each input, nothing is shared."""

    def __init__(self, *times_s: float) -> None:
        self._times_s = times_s

    def __call__(self, stage: int, replica: int, inputs: int) -> Sequence[Segment]:
        return [Segment(compute_s=self._times_s[stage] * inputs)]


class _Moving:
    """One stage: computes, and then moves `size_bytes`, which takes a core `moved_s` alone."""

    def __init__(self, compute_s: float, size_bytes: float, moved_s: float) -> None:
        self._segment = Segment(0.0, compute_s, (Traffic(0, size_bytes, moved_s),))

    def __call__(self, stage: int, replica: int, inputs: int) -> Sequence[Segment]:
        return [self._segment]


def _run(calls: object, replicas: Sequence[int], **options: object) -> Simulation:
    given: dict[str, object] = {"inputs": 60, "limit": 2 * sum(replicas) + 2, **options}
    return simulate(calls, (DRAM,), replicas, **given)  # type: ignore[arg-type]


def test_one_server_answers_every_service_time() -> None:
    found = _run(_Fixed(0.5), (1,))
    assert found.period_s == pytest.approx(0.5)
    assert found.left_s[:3] == (0.5, 1.0, 1.5)


@settings(max_examples=20)
@given(st.integers(1, 8), st.floats(1e-3, 1e3))
def test_replicas_answer_r_in_the_time_of_one(replicas: int, time_s: float) -> None:
    assert _run(_Fixed(time_s), (replicas,)).period_s == pytest.approx(time_s / replicas)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 50)), min_size=1, max_size=4))
def test_the_slowest_stage_is_the_period(stages: list[tuple[int, int]]) -> None:
    replicas = [count for count, _ in stages]
    times_s = [time / 10 for _, time in stages]
    found = _run(_Fixed(*times_s), replicas, inputs=200, limit=4 * sum(replicas))
    slowest_s = max(time_s / count for time_s, count in zip(times_s, replicas, strict=True))
    assert found.period_s == pytest.approx(slowest_s, rel=0.05)


def test_who_only_reads_gets_what_memory_gives() -> None:
    """Four cores that could each take half of it: twice as long as alone."""
    found = _run(_Moving(0.0, 5e8, 1.0), (4,))
    assert found.period_s == pytest.approx(5e8 / DRAM.bytes_per_s)
    assert [call.took_s for call in found.trace.calls[:4]] == pytest.approx([2.0] * 4)


def test_memory_that_suffices_slows_nobody_down() -> None:
    found = _run(_Moving(1.0, 5e8, 1.0), (4,))  # each takes a quarter
    assert found.period_s == pytest.approx(2.0 / 4)


def test_one_after_the_other_with_one_in_flight() -> None:
    found = _run(_Fixed(0.25, 0.5), (1, 1), limit=1)
    assert found.period_s == pytest.approx(0.75)


def test_calls_take_what_is_there_up_to_a_batch() -> None:
    found = _run(_Fixed(0.5), (1,), batches=(4,), limit=8)
    assert {call.inputs for call in found.trace.calls} == {4}
    assert found.left_s[:4] == (2.0,) * 4


def test_batches_behind_single_inputs_are_as_fast_as_their_account_says() -> None:
    """Single inputs take the first stage 1 s, and the second one 2 s; four of them 3 s in one call:
    the first one sets the rate, as soon as the second one has had none for two of its calls."""

    def calls(stage: int, replica: int, inputs: int) -> Sequence[Segment]:
        return [Segment(1.0 if not stage else {1: 2.0, 4: 3.0}[inputs], 0.0)]

    found = _run(calls, (1, 1), batches=(1, 4), limit=16, inputs=64)
    second = [call for call in found.trace.calls if call.stage == 1]
    assert {call.inputs for call in second} == {1, 4}
    assert found.period_s == pytest.approx(1.0, rel=0.05)


def test_inputs_come_apart_where_replicas_should_not_go_in_step() -> None:
    found = _run(_Fixed(1.0), (2,), spacing_s=0.5, limit=2)
    starts = [call.start_s for call in found.trace.calls[:4]]
    assert starts == pytest.approx([0.0, 0.5, 1.0, 1.5])


def test_a_stream_needs_more_inputs_than_fill_it() -> None:
    with pytest.raises(AssertionError):
        _run(_Fixed(1.0), (4,), inputs=4)


@settings(max_examples=40)
@given(
    replicas=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    batch=st.integers(1, 3),
    mixed=st.booleans(),
    limit=st.integers(1, 12),
    segments=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 4), st.integers(0, 2)),
        min_size=1,
        max_size=3,
    ),
    spacing_s=st.sampled_from([0.0, 0.3]),
)
def test_what_the_scheduler_promises_holds_in_virtual_time(
    replicas: list[int],
    batch: int,
    mixed: bool,
    limit: int,
    segments: list[tuple[int, int, int, int]],
    spacing_s: float,
) -> None:
    def calls(stage: int, replica: int, inputs: int) -> Sequence[Segment]:
        return [
            Segment(
                fixed / 10,
                (1 + compute + stage) * inputs / 10,
                (Traffic(0, size * 1e8, moved / 10),) if size else (),
                overlap=0.5,
            )
            for fixed, compute, moved, size in segments
        ]

    batches = [1 if mixed and stage % 2 else batch for stage in range(len(replicas))]
    given = {"inputs": 50, "limit": limit, "batches": batches, "spacing_s": spacing_s}
    found = simulate(calls, (DRAM,), replicas, **given)  # type: ignore[arg-type]
    assert found == simulate(calls, (DRAM,), replicas, **given)  # type: ignore[arg-type]
    assert len(found.left_s) >= 50
    assert [*found.left_s] == sorted(found.left_s)
    for stage, count in enumerate(replicas):
        mine = [call for call in found.trace.calls if call.stage == stage]
        assert sum(call.inputs for call in mine) >= len(found.left_s)
        assert max(call.inputs for call in mine) <= batches[stage]
        for replica in range(count):
            own = [call for call in mine if call.replica == replica]
            assert all(before.end_s <= after.start_s for before, after in pairwise(own))
    for call in found.trace.calls:
        at_s = call.start_s
        begun = sum(c.inputs for c in found.trace.calls if c.stage == 0 and c.start_s <= at_s)
        assert begun - sum(left_s <= at_s for left_s in found.left_s) <= limit

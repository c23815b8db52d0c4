"""What the latest calls of a stream say, by hand."""

import pytest

from stagecut.compiler.ir.stream_trace import Call, StreamTrace
from stagecut.runtime.stream.statistics import (
    LATEST,
    Departure,
    Snapshot,
    percentiles,
    stream_stats,
    stream_trace,
)

#: Two replicas; from 0 to 10 s, one is busy for 8 s and one for 4.
CALLS = (
    Call(0, 0, 2, 0.0, 4.0),
    Call(0, 1, 1, 4.0, 8.0),
    Call(0, 0, 2, 6.0, 10.0),
)
ONE = Snapshot(["a"], [2], [3], [CALLS], 7, [Departure(0.0, 4.0, 1.0), Departure(2.0, 8.0, 1.0)])
OTHER = Snapshot(
    ["b", "c"], [1, 1], [0, 0], [(Call(0, 0, 1, 0.0, 9.0),), ()], 1, [Departure(4.0, 6.0, 4.0)]
)


def test_a_stage() -> None:
    [stage] = ONE.stages()
    assert stage.busy == pytest.approx(12 / 20)
    assert (stage.p50_s, stage.p99_s, stage.waiting) == (4.0, 4.0, 3)
    assert stage.batches == {1: 1, 2: 2}


def test_all_pipelines_together() -> None:
    stats = stream_stats([ONE, OTHER])
    assert [stage.name for stage in stats.stages] == ["a", "b", "c"]
    assert stats.bottleneck == "b"
    assert stats.outputs == 8
    assert (stats.p50_s, stats.p99_s) == (4.0, 6.0)
    assert stats.period_s == 2.0  # outputs after 4, 6 and 8 s
    assert stats.planned_period_s == 2.0  # of 1, 1 and 4


def test_a_batch_leaves_at_once_and_counts_once() -> None:
    left_s = (1.0, 1.0, 5.0, 5.0, 9.0, 9.0)  # two inputs every 4 s
    departures = [Departure(0.0, at_s, None) for at_s in left_s]
    stats = stream_stats([Snapshot(["a"], [1], [0], [()], 6, departures)])
    assert stats.period_s == 2.0
    assert stream_stats([Snapshot(["a"], [1], [0], [()], 2, departures[:2])]).period_s is None


def test_a_call_that_took_no_time() -> None:
    [stage] = Snapshot(["a"], [1], [0], [(Call(0, 0, 1, 2.0, 2.0),)], 1, []).stages()
    assert stage.busy == 0.0


def test_a_plan_that_says_nothing_leaves_it_open() -> None:
    silent = Snapshot(["a"], [1], [0], [()], 1, [Departure(0.0, 1.0, None)])
    stats = stream_stats([ONE, silent])
    assert stats.planned_period_s is None
    assert stream_stats([silent]).period_s is None


def test_what_began_before_a_time_is_left_out() -> None:
    later = ONE.since(2.0)
    assert (later.calls, later.departures) == ([[*CALLS[1:]]], [ONE.departures[1]])
    assert later.outputs == ONE.outputs


def test_before_anything_has_run() -> None:
    stats = stream_stats([])
    assert (stats.bottleneck, stats.outputs, stats.period_s, stats.p99_s) == ("", 0, None, 0.0)


def test_only_the_latest_count() -> None:
    many = [Departure(0.0, float(number), None) for number in range(LATEST)]
    late = [Departure(0.0, 1e6, None)]
    snapshots = [Snapshot([], [], [], [], len(some), some) for some in (many, late)]
    assert stream_stats(snapshots).period_s == (1e6 - 1) / (LATEST - 1)


def test_the_stages_of_a_trace_are_numbered_through() -> None:
    trace = stream_trace([ONE, OTHER])
    first, second, third = CALLS
    assert trace == StreamTrace(("a", "b", "c"), (first, second, Call(1, 0, 1, 0.0, 9.0), third))


@pytest.mark.parametrize(
    ("count", "expected"), [(0, (0, 0)), (1, (1, 1)), (100, (50.5, 99)), (1000, (500.5, 990))]
)
def test_percentiles(count: int, expected: tuple[float, float]) -> None:
    assert percentiles(range(1, count + 1)) == expected

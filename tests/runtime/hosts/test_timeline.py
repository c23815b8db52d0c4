"""Calls of other hosts stand where they were, by this host's clock."""

import numpy as np
import pytest

from stagecut.compiler.ir.stream_trace import Call
from stagecut.runtime.hosts.timeline import Stay, Timeline
from tests.support.over_hosts import WIDTH, ClusterHere, over_hosts, plan_over_hosts

X = {"y0": np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, -1)}


def _far(submitted_s: float, begun_s: float, ended_s: float, answered_s: float) -> Stay:
    return Stay("b", "10.0.0.2", submitted_s, begun_s, ended_s, answered_s)


def test_a_clock_that_is_ahead_is_told_by_what_its_calls_leave() -> None:
    """Theirs is 99.5 to 100.3 ahead by the first, and 99.9 at the least by the second."""
    timeline = Timeline()
    timeline.note([_far(10.0, 110.3, 112.0, 12.5), _far(11.0, 112.0, 113.5, 13.6)])
    timeline.note([Stay("local", "", 20.0, 21.0, 22.0, 23.0)])
    trace = timeline.trace()
    assert trace.stages == ("b, 10.0.0.2", "local")
    first, second, own = trace.calls
    assert (first.start_s, first.end_s) == pytest.approx((10.2, 11.9))
    assert (second.start_s, second.end_s) == pytest.approx((11.9, 13.4))
    assert own == Call(1, 0, 1, 21.0, 22.0)


def test_calls_at_a_time_are_beside_each_other() -> None:
    timeline = Timeline()
    timeline.note(Stay("local", "", at, at, at + 1.5, at + 2) for at in (0.0, 1.0, 2.0))
    assert [call.replica for call in timeline.trace().calls] == [0, 1, 0]


def test_a_stream_has_a_track_for_each_host_and_a_single_run_has_none() -> None:
    executor = over_hosts(plan_over_hosts("throughput"), ClusterHere()).executor
    executor.run(X)
    assert executor.timeline.trace().calls == ()
    for _ in range(3):
        passage = executor.by_stage(X)
        while not passage.advance():
            pass
    trace = executor.timeline.trace()
    assert [name.split(",")[0] for name in trace.stages] == ["b", "c", "local"]
    assert [len([call for call in trace.calls if call.stage == at]) for at in range(3)] == [3] * 3
    for call in trace.calls:
        assert call.took_s > 0

"""The best schedule by the length: against brute force, and no more breakpoints than there are."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.objective import LATENCY, parse_objective
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.lengths import LengthCurve, LengthSweep
from tests.support.lengths import steps
from tests.support.tables import US

SLOPES = st.fixed_dictionaries(
    {
        name: st.fixed_dictionaries({"cpu": st.integers(0, 9), "pim": st.integers(0, 9)})
        for name in ("up", "scores", "mix", "head")
    }
)


def _total(curve: LengthCurve, length: float) -> float:
    """On the line between the corners around it."""
    for stretch in curve.stretches:
        for (low, one), (high, other) in zip(stretch.corners, stretch.corners[1:], strict=False):
            if low <= length <= high:
                return one + (length - low) / (high - low) * (other - one)
    raise AssertionError(f"nothing is said of {length}")


def test_attention_goes_to_where_it_grows_least_from_the_breakpoint_on() -> None:
    """up 4 + scores 3 + mix 2 + head 6 = 15 us on the CPU, 0.15 us a token there; scores and mix
    take 9 more with their transfers on pim, and grow by 0.04 instead."""
    curve = LengthSweep()(steps())
    assert [stretch.solution.assignment.devices["scores"] for stretch in curve.stretches] == [
        "cpu",
        "pim",
    ]
    [point] = curve.breakpoints
    costs = steps().at(point.at)
    for stretch in curve.stretches:
        total_s = account(costs, stretch.solution.schedule).latency_s
        assert total_s == pytest.approx(point.total)
    assert {move.node for move in point.moved} >= {"scores", "mix"}
    assert curve.gap == 0


@settings(max_examples=25, deadline=None)
@given(SLOPES, st.lists(st.integers(1, 40), min_size=2, max_size=4, unique=True).map(sorted))
def test_no_schedule_is_better_at_any_length(
    slopes: dict[str, dict[str, int]], lengths: list[int]
) -> None:
    costs = steps(lengths, slopes=slopes)
    curve = LengthSweep()(costs)
    for length in range(lengths[0], lengths[-1] + 1):
        best = Partition()(costs.at(length)).certificate.total
        assert _total(curve, length) == pytest.approx(best)
    for before, behind in zip(curve.stretches, curve.stretches[1:], strict=False):
        assert before.high == behind.low
        assert before.solution.schedule != behind.solution.schedule


def test_what_is_best_throughout_has_no_breakpoint() -> None:
    curve = LengthSweep()(steps(slopes={}))
    assert (len(curve.stretches), curve.breakpoints) == (1, ())
    assert [length for length, _ in curve.stretches[0].corners] == [10, 100, 1000]
    assert curve.solves == 3


def test_a_schedule_has_a_total_at_each_length() -> None:
    costs = steps()
    schedule = Partition()(costs.at(10)).schedule
    assert costs.lengths == (10, 100, 1000)
    found = [account(table, schedule).total(LATENCY) for table in costs.tables]
    assert found[0] == pytest.approx(_total(LengthSweep()(costs), 10))
    assert found[1] - found[0] == pytest.approx(US * 0.15 * 90)
    assert math.isclose(found[2] - found[1], US * 0.15 * 900)


def test_a_stream_is_no_sum() -> None:
    with pytest.raises(UsageError, match="stream"):
        LengthSweep(parse_objective("throughput"))

"""The curve of the optimum: by eye, and against a partition at every speed."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.errors import UnplaceableError, UsageError
from stagecut.compiler.ir.objective import ENERGY
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.scale import Scale
from stagecut.passes.sweep.sweep import Move, Sweep
from tests.support.by_speed import plan_by_speed
from tests.support.tables import US, cost_table, seeded_table
from tests.support.watched import Watched

#: Transfers of x or a to pim, and of b back, cost 2 each.
TABLE = cost_table(
    "a(x): cpu 2, pim 8\n b(a): cpu 10, pim 8", inputs="x@host", outputs="b@host", transfer_us=2
)


def test_by_eye() -> None:
    """All on cpu cost 12; with b on pim at speed s, 6 + 8 / s, which is 12 at s = 4/3; with both
    there, 4 + 16 / s, which is the same at s = 4."""
    curve = Sweep(Scale("pim"), 0.5, 8.0)(TABLE)
    assert [point.at for point in curve.breakpoints] == pytest.approx([4 / 3, 4])
    assert [point.total for point in curve.breakpoints] == pytest.approx([12 * US, 8 * US])
    assert [point.moved for point in curve.breakpoints] == [
        (Move("b", "cpu", "pim"),),
        (Move("a", "cpu", "pim"),),
    ]
    assert curve.break_even == pytest.approx(4 / 3)
    assert curve.solves == 5
    assert curve.gap == 0
    assert curve.elasticity(1.0) == 0
    assert curve.elasticity(8.0) == pytest.approx(2 / 6)
    assert curve.at(1.5).total(1.5) == pytest.approx((6 + 8 / 1.5) * US)


@pytest.mark.parametrize("part", ["transfers", "pim.hbm"])
def test_of_a_real_model_every_change_is_found(part: str) -> None:
    """BERT-base, 152 nodes, over five orders of magnitude: two partitions a piece, all proved."""
    curve = Sweep(Scale(part), 0.01, 1000.0)(plan_by_speed("bert-base").table)
    assert curve.gap == 0
    assert len(curve.breakpoints) >= 5
    assert curve.solves == 2 * len(curve.breakpoints) + 1
    assert curve.break_even is not None


def test_what_gains_nothing_has_no_break_even() -> None:
    curve = Sweep(Scale("pim"), 0.1, 1.0)(TABLE)
    assert (curve.breakpoints, curve.break_even) == ((), None)
    used = Sweep(Scale("cpu"), 0.5, 2.0)(cost_table("a: cpu 3"))
    assert (used.breakpoints, used.break_even) == ((), None)
    assert used.elasticity(1.0) == 1.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 400), st.sampled_from(["transfers", "device"]))
def test_a_partition_at_any_speed_finds_the_same_total(seed: int, kind: str) -> None:
    table = seeded_table(seed)
    part = table.machine.devices[-1].name if kind == "device" else "transfers"
    scale = Scale(part)
    try:
        curve = Sweep(scale, 0.05, 20.0)(table)
    except UnplaceableError:  # some tables lack links
        assume(False)
    assume(curve.gap == 0)
    assert curve.solves <= 2 * len(curve.breakpoints) + 2
    speeds = [0.05, 0.3, 1.0, 4.0, 20.0, *(point.at for point in curve.breakpoints)]
    for speed in speeds:
        best = Partition()(scale.applied(table, 1 / speed)).certificate
        assume(best.exact)
        assert curve.at(speed).total(speed) == pytest.approx(best.total, rel=1e-8)


BAD = {
    "backwards": (2.0, 1.0),
    "nothing": (0.0, 1.0),
    "without an end": (1.0, float("inf")),
    "no number": (float("nan"), 1.0),
}


@pytest.mark.parametrize(("low", "high"), BAD.values(), ids=BAD.keys())
def test_bad_ranges(low: float, high: float) -> None:
    with pytest.raises(UsageError, match="is no range of speeds"):
        Sweep(Scale("pim"), low, high)


def test_speed_changes_no_energy() -> None:
    with pytest.raises(UsageError, match="speed changes nothing where only energy counts"):
        Sweep(Scale("pim"), 1.0, 2.0, ENERGY)


def test_partitions_are_told_one_by_one() -> None:
    watched = Watched()
    curve = Sweep(Scale("pim"), 0.5, 8.0, progress=watched)(TABLE)
    assert watched.begun == {"partitions for pim": curve.solves}

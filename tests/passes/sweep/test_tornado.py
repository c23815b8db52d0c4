"""What each part weighs: by eye, and against partitions at its ends."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.scale import Scale
from stagecut.passes.sweep.sweep import Sweep
from stagecut.passes.sweep.tornado import tornado
from tests.support.tables import US, cost_table, seeded_table

TABLE = cost_table(
    "a(x): cpu 2, pim 8\n b(a): cpu 10, pim 8", inputs="x@host", outputs="b@host", transfer_us=2
)


def test_by_eye() -> None:
    """The part that makes the most difference is first, whatever its place in the question; where
    a range ends earlier, so does its bar."""
    ranges = {"transfers": (0.8, 1.0), "pim": (0.5, 8.0), "cpu": (0.1, 2.0)}
    found = tornado([Sweep(Scale(part), *ends)(TABLE) for part, ends in ranges.items()])
    assert found is not None
    assert found.total == pytest.approx(12 * US)
    assert [(bar.part, bar.slow, bar.fast) for bar in found.bars] == [
        ("cpu", 0.5, 2.0),
        ("pim", 0.5, 2.0),
        ("transfers", 0.8, 1.0),
    ]
    cpu, pim, _ = found.bars
    assert (cpu.fast_total, cpu.slow_total) == pytest.approx((6 * US, 16 * US))
    assert (pim.fast_total, pim.slow_total) == pytest.approx((10 * US, 12 * US))
    assert (cpu.elasticity, pim.elasticity) == (1.0, 0.0)
    assert found.ends == pytest.approx((6 * US, 16 * US))


def test_there_is_nothing_to_compare() -> None:
    """A range that does not reach things as they stand says nothing of them."""
    ranges = {"cpu": (0.5, 2.0), "pim": (2.0, 4.0)}
    assert tornado([Sweep(Scale(part), *ends)(TABLE) for part, ends in ranges.items()]) is None
    assert tornado([]) is None


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 400))
def test_both_ends_are_optima(seed: int) -> None:
    table = seeded_table(seed)
    parts = [table.machine.devices[0].name, "transfers"]
    try:
        curves = [Sweep(Scale(part), 0.5, 2.0)(table) for part in parts]
    except UnplaceableError:  # some tables lack links
        assume(False)
    assume(not any(curve.gap for curve in curves))
    found = tornado(curves)
    assert found is not None
    for bar in found.bars:
        for speed, total in ((bar.slow, bar.slow_total), (bar.fast, bar.fast_total)):
            alone = Partition()(Scale(bar.part).applied(table, 1 / speed))
            assert total == pytest.approx(alone.certificate.total)

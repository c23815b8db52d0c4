"""Two speeds at once: by eye, and against a partition at many pairs of speeds."""

import pytest

from stagecut.compiler.ir.errors import UsageError
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.scale import Scale
from stagecut.passes.sweep.speed_map import speed_map
from stagecut.passes.sweep.sweep import Sweep
from tests.support.tables import US, cost_table, seeded_table

TABLE = cost_table(
    "a(x): cpu 2, pim 8\n b(a): cpu 10, pim 8", inputs="x@host", outputs="b@host", transfer_us=2
)
SPEEDS = (0.1, 0.5, 1.0, 3.0, 10.0)


def _sweep(part: str) -> Sweep:
    return Sweep(Scale(part), SPEEDS[0], SPEEDS[-1])


def test_by_eye() -> None:
    """On cpu alone 12; a there and b on pim 2 + 4 / t + 8 / p; all on pim 4 / t + 16 / p."""
    found = speed_map(_sweep("pim"), _sweep("transfers"), TABLE)
    planes = [
        (region.plane.fixed / US, region.plane.first / US, region.plane.second / US)
        for region in found.regions
    ]
    assert sorted(planes) == [
        pytest.approx((0.0, 16.0, 4.0)),
        pytest.approx((2.0, 8.0, 4.0)),
        pytest.approx((12.0, 0.0, 0.0)),
    ]
    assert found.gap == 0
    assert found.regions[found.at(1.0, 1.0)].plane.fixed == pytest.approx(12 * US)
    assert found.regions[found.at(10.0, 1.0)].plane.first == pytest.approx(16 * US)


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_partition_at_any_two_speeds_finds_the_same_total(seed: int) -> None:
    table = seeded_table(seed)
    first, second = _sweep(table.machine.devices[-1].name), _sweep("transfers")
    found = speed_map(first, second, table)
    assert found.gap == 0
    for one in SPEEDS:
        for other in SPEEDS:
            scaled = second.scale.applied(first.scale.applied(table, 1 / one), 1 / other)
            region = found.regions[found.at(one, other)]
            best = Partition()(scaled).certificate.total
            assert region.plane.at((1 / one, 1 / other)) == pytest.approx(best, rel=1e-7)


@pytest.mark.parametrize("parts", [("pim", "pim"), ("transfers", "host>pim")])
def test_costs_in_common_are_refused(parts: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="costs in common"):
        speed_map(_sweep(parts[0]), _sweep(parts[1]), TABLE)


def test_a_part_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no device and no route 'npu'"):
        speed_map(_sweep("pim"), _sweep("npu"), TABLE)

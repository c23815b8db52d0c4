"""How the optimum changes with two speeds at once: the regions in which each schedule is the best.

The total of a schedule is a plane in the factors on the costs of two parts (`scale`), so that the
regions are those of a minimum over planes (`regions`): exact wherever every partition is.
"""

from dataclasses import dataclass
from itertools import count

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.solution import Solution
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.regions import Corner, Plane, Region, regions
from stagecut.passes.sweep.scale import TRANSFERS
from stagecut.passes.sweep.sweep import Sweep


@dataclass(frozen=True, slots=True)
class SpeedMap:
    """`sweeps` are the two whose speeds are varied. The corners of a region are factors, 1 / speed.
    `gap` is the largest part of a total that might still be saved anywhere."""

    sweeps: tuple[Sweep, Sweep]
    regions: tuple[Region[Solution], ...]
    solves: int
    gap: float

    def at(self, first: float, second: float) -> int:
        """The index of the region that is best at two speeds."""
        corner = 1 / first, 1 / second
        totals = [region.plane.at(corner) for region in self.regions]
        return totals.index(min(totals))


def speed_map(first: Sweep, second: Sweep, table: CostTable) -> SpeedMap:
    """Raises UsageError for parts that are not there or that overlap, UnplaceableError as
    `partition` does."""
    for sweep in (first, second):
        sweep.scale.check(table)
    _check_apart(first, second, table)
    objective = first.objective
    partition = Partition(objective, first.limit_s, first.told)
    gaps: list[float] = []
    solves = iter(first.progress(count(), "partitions for the map"))

    def least(corner: Corner) -> Plane[Solution]:
        next(solves)
        scaled = second.scale.applied(first.scale.applied(table, corner[0]), corner[1])
        solution = partition(scaled)
        gaps.append(solution.certificate.gap)
        slopes = [
            objective.per_s * sweep.scale.time_s(table, solution.schedule)
            for sweep in (first, second)
        ]
        fixed = solution.certificate.total - corner[0] * slopes[0] - corner[1] * slopes[1]
        return Plane(max(0.0, fixed), slopes[0], slopes[1], solution)

    found = regions(least, (1 / first.high, 1 / second.high), (1 / first.low, 1 / second.low))
    return SpeedMap((first, second), found.cells, found.solves, max(gaps))


def _check_apart(first: Sweep, second: Sweep, table: CostTable) -> None:
    """A cost that both scaled would be no plane."""
    parts = {first.scale.part, second.scale.part}
    within = TRANSFERS in parts and not any(part in table.machine.device_named for part in parts)
    if len(parts) == 1 or within:
        raise UsageError(
            f"{first.scale.part} and {second.scale.part} have costs in common",
            where="--map",
            fix="take a device and transfers, two devices, or two routes",
        )

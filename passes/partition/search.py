"""Search on with HiGHS where elimination alone is not enough, from the best schedule known.

First a short look at the whole, which is all that small tables need; then what lies near the best
schedule, where better ones are found (neighbourhood.py); then the whole once more, without what
cannot be better than these, for the bound.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.solution import meets
from stagecut.compiler.ir.standing import Standing, Told, nobody
from stagecut.passes.partition.incumbent import Incumbent
from stagecut.passes.partition.infeasible import why_infeasible
from stagecut.passes.partition.milp.model import partition_program
from stagecut.passes.partition.milp.program import PartitionProgram
from stagecut.passes.partition.milp.solver import Point
from stagecut.passes.partition.neighbourhood import Neighbourhood, offer

#: The parts of the time for the first look at the whole, and for what lies near the best schedule.
_FIRST, NEAR = 0.05, 0.4


@dataclass(frozen=True, slots=True)
class Search:
    """`promising` is the table, or the same without candidates that no schedule cheaper than the
    incumbent has. `limit_s` is how long HiGHS may take in all, and `near` the part of it for what
    lies near the best schedule. `clock` tells seconds."""

    table: CostTable
    objective: Objective
    incumbent: Incumbent
    promising: Callable[[], CostTable]
    limit_s: float
    told: Told = nobody
    clock: Callable[[], float] = perf_counter
    near: float = NEAR

    def __call__(self, bound: float) -> float:
        """Offer what is found to the incumbent; return the higher bound, `bound` being what no
        schedule can go below as far as is known already.

        Raises UnplaceableError when nothing fits, or nothing was found in time.
        """
        end_s = self.clock() + self.limit_s
        bound = self._whole(bound, end_s, self.limit_s * _FIRST)
        if self.incumbent.schedule is not None and self._goes_on(bound, end_s):
            near_s = self.clock() + self.limit_s * self.near
            Neighbourhood(
                self.table,
                self.objective,
                self.incumbent,
                bound,
                lambda: near_s - self.clock(),
                lambda: self._goes_on(bound, end_s),
            ).search()
        if self._goes_on(bound, end_s):
            bound = self._whole(bound, end_s, max(0.0, end_s - self.clock()))
        if self.incumbent.schedule is None:
            raise UnplaceableError(
                f"no schedule was found within {self.limit_s:g} s",
                fix="give the search more time, or lift a capacity",
            )
        return bound

    def _goes_on(self, bound: float, end_s: float) -> bool:
        if meets(self.incumbent.total, bound):
            return False
        return self.told(Standing(self.incumbent.total, bound, max(0.0, end_s - self.clock())))

    def _whole(self, bound: float, end_s: float, limit_s: float) -> float:
        built = partition_program(self.promising(), self.objective)

        def watch(point: Point | None, least: float) -> bool:
            offer(self.table, self.incumbent, built, point)
            return self._goes_on(max(bound, least), end_s)

        outcome = built.program.solve(limit_s, start=self._start(built), watch=watch)
        offer(self.table, self.incumbent, built, outcome.point)
        if math.isinf(outcome.bound) and self.incumbent.schedule is None:
            raise why_infeasible(self.table)
        return max(bound, min(self.incumbent.total, outcome.bound))

    def _start(self, built: PartitionProgram) -> Mapping[int, float]:
        """The incumbent as a point; empty where the program has not all of its candidates."""
        if self.incumbent.schedule is None:
            return {}
        names = [device.name for device in self.table.machine.devices]
        placed = [names[device] for device in self.incumbent.devices()]
        if not all(device in able for device, able in zip(placed, built.on, strict=True)):
            return {}
        return {
            variable: float(device == name)
            for device, able in zip(placed, built.on, strict=True)
            for name, variable in able.items()
        }

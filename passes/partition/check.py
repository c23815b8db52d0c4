"""Verify somebody else's assignment: is it possible, what does it cost, how far from the best?"""

from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Assignment, Solution
from stagecut.compiler.ir.standing import Told, nobody
from stagecut.passes.partition.baselines.bound import solution_of
from stagecut.passes.partition.partition import Partition


@dataclass(frozen=True, slots=True)
class Check:
    """The certificate's total is that of `assignment`, its bound that of the best there is; `told`
    learns how the search for that goes."""

    assignment: Assignment
    objective: Objective = LATENCY
    limit_s: float = 60.0
    told: Told = nobody

    def __call__(self, table: CostTable) -> Solution:
        """Raises AssignmentError for an assignment that does not fit the table, ScheduleError
        where no links lead to where one of its values is wanted."""
        best = Partition(self.objective, self.limit_s, self.told)(table).certificate
        return solution_of(
            table,
            self.assignment,
            self.objective,
            method="given",
            bound=best.lower_bound,
            proof=best.proof,
            width=best.width,
        )

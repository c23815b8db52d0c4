"""What every partitioner returns: an assignment, what it costs, and how good that provably is."""

import math
from dataclasses import dataclass

from stagecut.compiler.assignment import Assignment, Certificate
from stagecut.compiler.costs import CostTable
from stagecut.compiler.objective import Breakdown, Copy, evaluate
from stagecut.compiler.prices import Objective


@dataclass(frozen=True, slots=True)
class Solution:
    """`breakdown` is the independent evaluator's account, and the certificate's total is its."""

    assignment: Assignment
    certificate: Certificate
    objective: Objective
    breakdown: Breakdown

    @property
    def method(self) -> str:
        return self.certificate.method

    @property
    def total_s(self) -> float:
        return self.breakdown.total_s

    @property
    def total_j(self) -> float | None:
        """The energy, where all of it is known."""
        return self.breakdown.total_j

    @property
    def copies(self) -> tuple[Copy, ...]:
        return self.breakdown.copies


def unproven(
    table: CostTable, assignment: Assignment, method: str, objective: Objective
) -> Solution:
    """The solution of a method that proves nothing itself.

    Its bound is the one that needs no search: every node on its cheapest device, nothing moved.
    """
    breakdown = evaluate(table, assignment, objective=objective)
    total = breakdown.total(objective)
    bound = math.fsum(
        min(objective.price(time_s, node.run_j.get(name)) for name, time_s in node.run_s.items())
        for node in table.nodes
    )
    return Solution(
        assignment, Certificate(method, total, bound, exact=total <= bound), objective, breakdown
    )

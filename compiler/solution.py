"""What every partitioner returns: an assignment, what it costs, and how good that provably is."""

import math
from dataclasses import dataclass

from stagecut.compiler.assignment import Assignment, Certificate
from stagecut.compiler.costs import CostTable
from stagecut.compiler.objective import Breakdown, Copy, evaluate


@dataclass(frozen=True, slots=True)
class Solution:
    """`breakdown` is the independent evaluator's account, and the certificate's total is its."""

    assignment: Assignment
    certificate: Certificate
    breakdown: Breakdown

    @property
    def method(self) -> str:
        return self.certificate.method

    @property
    def total_s(self) -> float:
        return self.breakdown.total_s

    @property
    def copies(self) -> tuple[Copy, ...]:
        return self.breakdown.copies


def unproven(table: CostTable, assignment: Assignment, method: str) -> Solution:
    """The solution of a method that proves nothing itself.

    Its bound is the one that needs no search: every node on its fastest device, nothing moved.
    """
    breakdown = evaluate(table, assignment)
    bound = math.fsum(min(node.run_s.values()) for node in table.nodes)
    exact = breakdown.total_s <= bound
    return Solution(assignment, Certificate(method, breakdown.total_s, bound, exact), breakdown)

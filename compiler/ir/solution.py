"""What every partitioner returns: an assignment, what it costs, and how good that provably is."""

import math
from dataclasses import dataclass

from stagecut.compiler.ir.account import Breakdown, Copy, evaluate
from stagecut.compiler.ir.assignment import Assignment, Certificate
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import Objective

#: A relative difference that is no larger is rounding.
_ROUNDING = 1e-9


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


def account(
    table: CostTable,
    assignment: Assignment,
    objective: Objective,
    *,
    method: str,
    bound: float,
    proof: str,
    width: int | None = None,
) -> Solution:
    """What `assignment` costs by the definition, beside a bound that a solver has found.

    Stages are counted in the table's order; what runs the nodes in another one may need fewer.
    Bound and total come by different ways; they are the same number if they differ by rounding.
    """
    if any(device.stage_s for device in table.machine.devices):
        proof += "; stages in the order of the table"
    breakdown = evaluate(table, assignment, objective=objective)
    total = breakdown.total(objective)
    exact = total <= bound or math.isclose(total, bound, rel_tol=_ROUNDING)
    certificate = Certificate(method, total, min(bound, total), exact, width, proof)
    return Solution(assignment, certificate, objective, breakdown)


def unproven(
    table: CostTable, assignment: Assignment, method: str, objective: Objective
) -> Solution:
    """The solution of a method that proves nothing itself."""
    bound = least_without_moves(table, objective)
    proof = "every node at its cheapest, nothing moved"
    return account(table, assignment, objective, method=method, bound=bound, proof=proof)


def least_without_moves(table: CostTable, objective: Objective) -> float:
    """The bound that needs no search: every node on its cheapest device, nothing moved."""
    return math.fsum(
        min(objective.price(time_s, node.run_j.get(name)) for name, time_s in node.run_s.items())
        for node in table.nodes
    )

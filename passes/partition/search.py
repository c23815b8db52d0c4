"""Finish with HiGHS what elimination alone cannot, starting from what is known already."""

import math
from dataclasses import dataclass

from stagecut.compiler.ir.account import evaluate
from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError, UnplaceableError
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.partition.infeasible import why_infeasible
from stagecut.passes.partition.milp.model import placement


@dataclass(frozen=True, slots=True)
class Known:
    """No assignment costs less than `bound`, and none that `left` rules out beats `incumbent`.

    `left` is the whole table, or the same with fewer devices for some nodes.
    """

    left: CostTable
    bound: float = 0.0
    incumbent: Assignment | None = None


def search(
    table: CostTable, objective: Objective, known: Known, limit_s: float
) -> tuple[Assignment, float]:
    """The cheapest assignment known after `limit_s` seconds, and what none can go below.

    Raises UnplaceableError when nothing fits, or nothing was found in time.
    """
    built = placement(known.left, objective)
    outcome = built.program.solve(limit_s)
    best = _total(table, known.incumbent, objective)
    bound = max(known.bound, min(best, outcome.bound))
    if outcome.point is not None:
        found = built.assignment(outcome.point)
        if _total(table, found, objective) < best:
            return found, bound
    if known.incumbent is not None:
        return known.incumbent, bound
    if math.isinf(outcome.bound):
        raise why_infeasible(table)
    raise UnplaceableError(
        f"no assignment was found within {limit_s:g} s",
        fix="give the search more time, or lift a capacity",
    )


def _total(table: CostTable, assignment: Assignment | None, objective: Objective) -> float:
    """Infinite where there is no assignment, or where it does not fit after all.

    HiGHS takes a variable for whole that is off by a millionth, which can hide some bytes.
    """
    if assignment is None:
        return math.inf
    try:
        return evaluate(table, assignment, objective=objective).total(objective)
    except AssignmentError:
        return math.inf

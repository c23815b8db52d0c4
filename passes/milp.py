"""Second opinion: the same objective as a mixed-integer program, solved by HiGHS.

Exact where HiGHS finishes in time; otherwise the best it found, with its bound. It needs far
longer than `partition` (benchmarks/partition_scale.py), but does not mind how wide a graph is.
"""

import math
from dataclasses import dataclass

from stagecut.compiler.assignment import Certificate
from stagecut.compiler.costs import CostTable
from stagecut.compiler.errors import UnplaceableError
from stagecut.compiler.objective import evaluate
from stagecut.compiler.prices import LATENCY, Objective
from stagecut.compiler.solution import Solution
from stagecut.passes.infeasible import why_infeasible
from stagecut.passes.integer.placement import placement

#: Rounding in HiGHS: a gap that is not larger, relative to the total, is none.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Milp:
    """`limit_s` is how long HiGHS may search."""

    objective: Objective = LATENCY
    limit_s: float = 60.0

    def __call__(self, table: CostTable) -> Solution:
        """Raises UnplaceableError when nothing fits, or nothing was found in time."""
        built = placement(table, self.objective)
        outcome = built.program.solve(self.limit_s)
        if math.isinf(outcome.bound):
            raise why_infeasible(table)
        if outcome.point is None:
            raise UnplaceableError(
                f"HiGHS found no assignment within {self.limit_s:g} s",
                fix="give it more time, or use --method optimal",
            )
        assignment = built.assignment(outcome.point)
        breakdown = evaluate(table, assignment, objective=self.objective)
        total = breakdown.total(self.objective)
        bound = min(outcome.bound, total)
        exact = outcome.solved and math.isclose(total, bound, rel_tol=_ROUNDING)
        certificate = Certificate("milp", total, bound, exact)
        return Solution(assignment, certificate, self.objective, breakdown)

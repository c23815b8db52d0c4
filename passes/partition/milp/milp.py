"""Second opinion: the same objective as a mixed-integer program, solved by HiGHS.

Exact where HiGHS finishes in time; otherwise the best it found, with its bound. It needs far
longer than `partition` (benchmarks/partition_scale.py), but does not mind how wide a graph is.
"""

from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution, account
from stagecut.passes.partition.search import Known, search


@dataclass(frozen=True, slots=True)
class Milp:
    """`limit_s` is how long HiGHS may search."""

    objective: Objective = LATENCY
    limit_s: float = 60.0

    def __call__(self, table: CostTable) -> Solution:
        """Raises UnplaceableError when nothing fits, or nothing was found in time."""
        found, bound = search(table, self.objective, Known(table), self.limit_s)
        return account(table, found, self.objective, method="milp", bound=bound, proof="HiGHS")

"""Second opinion: the same objective as a mixed-integer program, solved by HiGHS.

Exact where HiGHS finishes in time and starting stages costs nothing; otherwise the best that it
found, with its bound. It needs far longer than `partition` (benchmarks/partition_scale.py), but how
long does not depend on the width of the graph.
"""

from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Certificate, Solution
from stagecut.compiler.ir.standing import Told, nobody
from stagecut.passes.partition.incumbent import Incumbent
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.search import Search


@dataclass(frozen=True, slots=True)
class Milp:
    """`limit_s` is how long HiGHS may search; `told` learns how it goes."""

    objective: Objective = LATENCY
    limit_s: float = 60.0
    told: Told = nobody

    def __call__(self, table: CostTable) -> Solution:
        """Raises UnplaceableError when nothing fits, or nothing was found in time."""
        incumbent = Incumbent(table, self.objective, lambda: Precedence.of(table))
        search = Search(table, self.objective, incumbent, lambda: table, self.limit_s, self.told)
        bound = search(0.0)
        return incumbent.solution(Certificate.of("milp", incumbent.total, bound, proof="HiGHS"))

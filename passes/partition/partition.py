"""The assignment that costs least, on any graph, with the proof.

Exact by variable elimination over a tree decomposition of the graph (passes/exact). Networks have
small width, so this takes milliseconds, and time grows linearly with the number of nodes.

    a -> b -> d      run_s: everywhere 1 µs, but b on pim is free; a copy costs 0.4 µs
    a ------> d      a: host, b: pim, d: host = 1 + 0.4 + 0 + 0.4 + 1

Two things elimination cannot cope with: graphs that are too wide, and memories that are too small
for the cheapest assignment. Then it says what it knows (for capacities, by bargaining over the
price of a byte), rules out what cannot be part of a better answer, and lets HiGHS search the rest
for a limited time. What comes out is exact, or carries the gap that is left.
"""

import math
from dataclasses import dataclass, replace

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution, account, least_without_moves
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.exact.budgets import Bargain, bargain, hopeless
from stagecut.passes.partition.exact.problem import Problem, prepare
from stagecut.passes.partition.infeasible import why_infeasible
from stagecut.passes.partition.search import Known, search


@dataclass(frozen=True, slots=True)
class Partition:
    """Ties go to the earlier device within a memory, and are always broken the same way.

    `limit_s` is how long HiGHS may search where elimination is not enough.
    """

    objective: Objective = LATENCY
    limit_s: float = 60.0

    def __call__(self, table: CostTable) -> Solution:
        """Raises UnplaceableError when no assignment is possible, or none is found in time."""
        problem = prepare(table, self.objective)
        if problem is None:
            return self._search(table, self._greedy(table), "too wide for elimination: HiGHS")
        devices, value = problem.cheapest()
        if math.isinf(value):
            raise why_infeasible(table)
        if not problem.fits(devices):
            return self._within_capacity(table, problem)
        assignment = problem.assignment(devices)
        solution = self._account(table, assignment, value, "variable elimination", problem.width)
        total = solution.certificate.total
        # The one comes from the definition, the other from the elimination: a bug if they differ.
        if not math.isclose(total, value, rel_tol=1e-9):
            raise AssertionError(f"total {total!r}, optimum {value!r}")
        return solution

    def _within_capacity(self, table: CostTable, problem: Problem) -> Solution:
        reached = bargain(problem)
        if reached.best is None:
            known = Known(table, reached.bound)
        else:
            incumbent = problem.assignment(reached.best.devices)
            known = Known(_promising(table, problem, reached), reached.bound, incumbent)
        proof = "variable elimination with a price on weights, then HiGHS"
        return self._search(table, known, proof, problem.width)

    def _greedy(self, table: CostTable) -> Known:
        bound = least_without_moves(table, self.objective)
        try:
            return Known(table, bound, Greedy(self.objective)(table).assignment)
        except StagecutError:  # a dead end, or too heavy: HiGHS starts from nothing
            return Known(table, bound)

    def _search(
        self, table: CostTable, known: Known, proof: str, width: int | None = None
    ) -> Solution:
        found, bound = search(table, self.objective, known, self.limit_s)
        return self._account(table, found, bound, proof, width)

    def _account(
        self, table: CostTable, found: Assignment, bound: float, proof: str, width: int | None
    ) -> Solution:
        return account(
            table, found, self.objective, method="optimal", bound=bound, proof=proof, width=width
        )


def _promising(table: CostTable, problem: Problem, reached: Bargain) -> CostTable:
    """The table without the devices that cannot be part of anything better."""
    names = [device.name for device in table.machine.devices]
    ruled_out = hopeless(problem, reached)
    nodes = []
    for node, row in zip(table.nodes, ruled_out.tolist(), strict=True):
        out = {name for name, gone in zip(names, row, strict=True) if gone}
        run_s = {name: time_s for name, time_s in node.run_s.items() if name not in out}
        nodes.append(replace(node, run_s=run_s))
    return replace(table, nodes=tuple(nodes))

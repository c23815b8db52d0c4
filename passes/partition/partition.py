"""The schedule that costs least, on any graph, with the proof.

Exact by variable elimination over a tree decomposition of the graph (passes/partition/exact).
Networks have small width, so this takes milliseconds, and time grows in proportion to the nodes.

    a -> b -> d      run_s: everywhere 1 us, but b on pim is free; a transfer costs 0.4 us
    a ------> d      a: host, b: pim, d: host = 1 + 0.4 + 0 + 0.4 + 1

Three cases in which elimination is not enough, and what is done then:

    starting stages has a price     the cost depends on the order: a lower bound over all orders by
                                    flows, the best order of each assignment found, and dynamic
                                    programming over ideals where a gap is left (orders/)
    budgets are exceeded            a price on what is used (Lagrangian bound), reduced-cost fixing,
                                    and HiGHS for what is left (search.py), from what is best
                                    where devices that are alike are one (pool.py), and without
                                    most schedules that differ in names only (symmetry.py)
    the graph is too wide           HiGHS, where the tables of the elimination, whose sizes are
                                    known before, are more work or do not fit

What comes out is exact, or carries the gap that is left.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from time import perf_counter

import numpy as np

from stagecut.compiler.ir.collector import resting_collector
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import StagecutError, UnplaceableError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Certificate, Solution, Totals, meets
from stagecut.compiler.ir.standing import Standing, Told, nobody
from stagecut.passes.partition.alike import Alike
from stagecut.passes.partition.baselines.bound import least_without_transfers
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.exact.arrays import TableArrays, table_arrays
from stagecut.passes.partition.exact.budgets import Dual, lagrangian, reduced_cost_fixing
from stagecut.passes.partition.exact.factor_graph import Bools, Floats, Ints
from stagecut.passes.partition.exact.model import Starts
from stagecut.passes.partition.exact.problem import Problem, may_exceed, used
from stagecut.passes.partition.incumbent import Incumbent
from stagecut.passes.partition.infeasible import why_infeasible
from stagecut.passes.partition.neighbourhood import numbers
from stagecut.passes.partition.orders.joint import cheapest_schedule
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.orders.start_bound import Flow, start_bound
from stagecut.passes.partition.pool import dealt_out, pool
from stagecut.passes.partition.search import NEAR, Search
from stagecut.passes.partition.symmetry import break_symmetry, interchangeable

#: How long HiGHS may try a graph that elimination could do, too: about as long as that takes.
_HEAD_START_S = 5.0

#: So many nodes are held for whoever wants totals, too, while the schedule is accounted for.
_MOST_KEPT = 1 << 12

#: The part of the time in which devices that are alike are looked at as one, at the most.
_POOLED = 0.25


@dataclass(frozen=True, slots=True)
class Partition:
    """Ties go to the earlier device within a memory, and are always broken the same way.

    `limit_s` is how long HiGHS may search where elimination is not enough; `told` learns how that
    goes. Orders are searched through where budgets are exceeded, unless `searches_orders` is off:
    for who wants schedules, and no proof.
    """

    objective: Objective = LATENCY
    limit_s: float = 60.0
    told: Told = nobody
    searches_orders: bool = True

    def __call__(self, table: CostTable) -> Solution:
        """Raises UnplaceableError when no assignment is possible, or none is found in time."""
        with resting_collector():
            return _Partitioning(table, self)()

    def with_totals(self, table: CostTable) -> tuple[Solution, Totals]:
        """The solution, and the least total with each node on each device in the graph's order;
        empty where elimination cannot tell, and where only another order reaches the solution.

        Raises UnplaceableError as `__call__` does.
        """
        with resting_collector():
            partitioning = _Partitioning(table, self)
            solution = partitioning()
            return solution, partitioning.totals(solution)


class _Partitioning:
    """One table being solved: the best schedule so far, and the bound. `near` is the part of the
    time of a search for what lies near the best."""

    def __init__(self, table: CostTable, asked: Partition, near: float = NEAR) -> None:
        self._table = table
        self._objective = objective = asked.objective
        self._limit_s = asked.limit_s
        self._near = near
        self._told = asked.told
        self._searches_orders = asked.searches_orders
        # Held by nothing that it holds: a table of a million nodes goes as soon as it is solved.
        self._precedence_of = cache(partial(Precedence.of, table))
        self._best = Incumbent(table, objective, self._precedence_of)
        self._ordered = bool(self._arrays.start.any())
        self._start = [objective.per_s * device.stage_s for device in table.machine.devices]

    @cached_property
    def _arrays(self) -> TableArrays:
        return table_arrays(self._table, self._objective)

    @cached_property
    def _interchangeable(self) -> tuple[Alike, ...]:
        return interchangeable(self._table, self._objective)

    @property
    def _precedence(self) -> Precedence:
        return self._precedence_of()

    @cached_property
    def _problem(self) -> Problem | None:
        """With a flow of 0 on every edge where starting stages costs something: the starts are not
        counted yet, and the order of the elimination already allows for them."""
        flow = Flow(self._precedence).starts() if self._ordered else Starts.none()
        return Problem.prepare(self._arrays, flow)

    @cached_property
    def _in_order(self) -> Problem | None:
        """The problem in the graph's order: the same one where starting stages is free."""
        if not self._ordered:
            return self._problem
        return Problem.prepare(self._arrays, Starts.in_order(self._arrays.nodes))

    @property
    def _is_wide(self) -> bool:
        """Whether HiGHS may well be faster than elimination; it cannot tell the best order."""
        return self._problem is not None and self._problem.is_wide and not self._ordered

    def totals(self, solution: Solution) -> Totals:
        if self._in_order is None or self._is_wide or may_exceed(self._arrays):
            return {}
        totals = self._in_order.marginals()
        if not meets(float(totals.min()), solution.certificate.total):
            return {}
        names = [device.name for device in self._table.machine.devices]
        return {
            node.name: dict(zip(names, row, strict=True))
            for node, row in zip(self._table.nodes, totals.tolist(), strict=True)
        }

    def __call__(self) -> Solution:
        problem = self._problem
        if problem is None:
            return self._by_program(self._limit_s)
        if self._is_wide:
            with suppress(UnplaceableError):  # elimination knows whether there is none
                solution = self._by_program(min(self._limit_s, _HEAD_START_S))
                if solution.certificate.exact:
                    return solution
        devices, bound = problem.cheapest()
        if math.isinf(bound):
            raise why_infeasible(self._table)
        if self._exceeds(devices):
            return self._within_budgets(problem)
        if not self._ordered:
            width = problem.width
            if len(self._table.nodes) > _MOST_KEPT:
                # The account needs memory, too; whoever wants totals makes these anew.
                del problem, self._problem, self._arrays
            total = self._best.offer(devices)
            # The one by the definition, the other by elimination: a bug if they differ.
            if not math.isclose(total, bound, rel_tol=1e-9, abs_tol=1e-300):
                raise AssertionError(f"total {total!r}, optimum {bound!r}")
            return self._solution(bound, "variable elimination", width)
        self._best.offer(devices)
        return self._in_any_order(problem, bound)

    def _in_any_order(self, problem: Problem, bound: float) -> Solution:
        proof = ["variable elimination"]
        in_order = self._graph_order()
        if not meets(self._best.total, bound):
            flow = Flow(self._precedence)
            found = start_bound(
                problem, flow, self._precedence, self._start, self._offer_if_it_fits
            )
            proof.append("stage starts along a flow")
            problem, bound = found.problem, max(bound, found.bound)
        if not meets(self._best.total, bound):
            bound, searched = self._joint(problem, bound)
            proof += ["ideals"] if searched else []
        return self._solution(bound, ", ".join(proof), problem.width, in_order)

    def _graph_order(self) -> float:
        """The least total in the graph's order, -inf where elimination cannot tell it; the schedule
        that has it is offered to the incumbent."""
        if self._in_order is None:
            return -math.inf
        devices, value = self._in_order.cheapest()
        if self._exceeds(devices):
            return -math.inf
        self._best.try_steps([*enumerate(devices.tolist())])
        self._best.offer(devices)
        return value

    def _joint(self, problem: Problem, bound: float) -> tuple[float, bool]:
        """The bound once every schedule that might be cheaper has been looked at, and True; the
        old bound and False where these are too many."""
        ruled_out = self._ruled_out(problem.marginals(), self._best.total)
        found = self._search_ideals(ruled_out)
        if found and not meets(self._best.total, bound):
            return self._best.total, True
        return bound, found

    def _search_ideals(self, ruled_out: Bools) -> bool:
        """Whether every schedule that might be cheaper has been looked at; the best one is offered
        to the incumbent."""
        memories = [memory.name for memory in self._table.machine.memories]
        devices = self._table.machine.devices
        found = cheapest_schedule(
            self._arrays,
            [memories.index(device.memory) for device in devices],
            self._start,
            ruled_out,
            self._best.total,
            self._precedence,
        )
        if found.steps is not None:
            self._best.try_steps(found.steps)
        return found.complete

    @staticmethod
    def _ruled_out(at_least: Floats, ceiling: float) -> Bools:
        ruled_out: Bools = at_least > ceiling * (1 + 1e-10)
        return ruled_out

    def _offer_if_it_fits(self, devices: Ints) -> float:
        return self._best.total if self._exceeds(devices) else self._best.offer(devices)

    def _exceeds(self, devices: Ints) -> bool:
        if not len(self._arrays.limits):
            return False
        return bool((self._uses(devices) > self._arrays.limits).any())

    def _uses(self, devices: Ints) -> Floats:
        """(B,): what an assignment uses of each budget, transfers included."""
        spent = used(self._arrays, devices)
        if self._arrays.transfer_uses is not None:
            spent = spent + self._best.transfer_uses(devices.tolist(), self._arrays.limits)
        return spent

    def _within_budgets(self, problem: Problem) -> Solution:
        dual = lagrangian(problem, self._uses)
        end_s = perf_counter() + self._limit_s
        for primal in dual.primals:
            self._best.offer(primal.devices)
        bound, proof = dual.bound, "variable elimination with prices on budgets"
        searched = math.inf if self._ordered and self._searches_orders else -math.inf
        if not meets(self._best.total, bound):
            if self._best.schedule is not None and self._best.total < searched:
                searched = self._best.total
                if self._search_ideals(reduced_cost_fixing(problem, dual, searched)):
                    return self._solution(self._best.total, f"{proof}, ideals", problem.width)
            pooled = self._pooled(bound)
            proof += ", alike devices as one" if pooled > bound else ""
            bound = pooled
        if not meets(self._best.total, bound):
            left_s = max(0.0, end_s - perf_counter())
            bound = self._search(lambda: self._promising(problem, dual), bound, left_s)
            proof += ", then HiGHS"
        # What was too many for a search is too many again, unless more can be ruled out.
        again = self._is_better_than(searched) and not meets(self._best.total, bound)
        if again and self._search_ideals(self._dearer(problem, dual)):
            bound, proof = self._best.total, f"{proof}, ideals"
        return self._solution(bound, proof, problem.width)

    def _is_better_than(self, total: float) -> bool:
        """Whether the best schedule, if there is one, takes less than that."""
        return self._best.total < total or (self._best.schedule is None and total == math.inf)

    def _dearer(self, problem: Problem, dual: Dual) -> Bools:
        """The candidates (N, D) that no better schedule than the best can have."""
        if self._best.schedule is None:
            return np.zeros(self._arrays.cost.shape, dtype=np.bool_)
        return reduced_cost_fixing(problem, dual, self._best.total)

    def _pooled(self, bound: float) -> float:
        """The higher bound, once devices that are alike are looked at as one; an assignment from
        there is offered to the incumbent."""
        pooled = pool(self._table)
        if pooled is None:
            return bound

        def told(standing: Standing) -> bool:  # its total is that of no schedule of ours
            return self._told(Standing(self._best.total, bound, standing.left_s))

        asked = Partition(self._objective, self._limit_s * _POOLED, told)
        try:  # as good as all of the time is for the bound
            best = _Partitioning(pooled.table, asked, near=0.0)()
        except UnplaceableError:  # the search of the whole knows why
            return bound
        self._best.offer(dealt_out(self._table, pooled, best.assignment, self._objective))
        return max(bound, best.certificate.lower_bound)

    def _promising(self, problem: Problem, dual: Dual) -> CostTable:
        """The table without the candidates that no better schedule can have."""
        if self._best.schedule is None:
            return self._table
        names = [device.name for device in self._table.machine.devices]
        ruled_out = self._dearer(problem, dual)
        nodes = []
        for node, row in zip(self._table.nodes, ruled_out.tolist(), strict=True):
            out = {name for name, gone in zip(names, row, strict=True) if gone}
            run_s = {name: time_s for name, time_s in node.run_s.items() if name not in out}
            nodes.append(replace(node, run_s=run_s or node.run_s))
        return self._distinct(replace(self._table, nodes=tuple(nodes)))

    def _distinct(self, table: CostTable) -> CostTable:
        """`table` without most schedules that differ from others in the names of memories only."""
        if self._best.schedule is None or not self._interchangeable:
            return table
        names = [device.name for device in self._table.machine.devices]
        placed = [names[device] for device in self._best.devices()]
        return break_symmetry(table, self._interchangeable, placed)

    def _by_program(self, limit_s: float) -> Solution:
        try:
            greedy = Greedy(self._objective)(self._table)
            self._best.offer(numbers(self._table, greedy.assignment))
        except StagecutError:  # a dead end, or over a budget: HiGHS starts from nothing
            pass
        least = least_without_transfers(self._table, self._objective)
        bound = self._search(lambda: self._distinct(self._table), least, limit_s)
        return self._solution(bound, "too wide for elimination: HiGHS")

    def _search(self, promising: Callable[[], CostTable], bound: float, limit_s: float) -> float:
        """The higher bound."""
        search = Search(
            self._table,
            self._objective,
            self._best,
            promising,
            limit_s,
            self._told,
            near=self._near,
        )
        return search(bound)

    def _solution(
        self, bound: float, proof: str, width: int | None = None, in_order: float = -math.inf
    ) -> Solution:
        certificate = Certificate.of(
            "optimal", self._best.total, bound, in_order=in_order, width=width, proof=proof
        )
        return self._best.solution(certificate)

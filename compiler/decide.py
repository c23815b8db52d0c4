"""Decide: restrict, partition, propose, build, gate; and anew without what turns out to be wrong.

CostTable -> restrict -> partition -> Schedule + Certificate -> contenders -> build -> gate
    ^                                                                            |
    '--------- without the nodes whose outputs are wrong where they ran ---------'
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from stagecut.compiler.arrows import Dump, Phases
from stagecut.compiler.by_costs import best_that_is_right
from stagecut.compiler.compared import Compared
from stagecut.compiler.comparison import Comparison
from stagecut.compiler.effort import SEARCH_S
from stagecut.compiler.error_budget import ErrorBudget
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, with_energy_limit
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.precision import PlannedPrecision
from stagecut.compiler.ir.solution import Certificate, Solution, Totals
from stagecut.compiler.ir.standing import Told
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.contenders import Proposal, proposals
from stagecut.passes.gate.gate import predicted
from stagecut.passes.gate.not_built import not_built
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.restrict import Restrict, without
from stagecut.passes.precision.tighten import Tightened
from stagecut.passes.profile.profile import Fault, Profiled

#: So often nodes whose outputs are wrong are placed anew; then plans with them are left out.
_MOST_REPLANS = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """What is known in the end: where nodes may run, the optimum of their costs, the plans that
    were compared. `faults` are candidates that fell out on the way. `proof` is of streams, in its
    file format."""

    expanded: ExpandedGraph
    costs: CostTable
    costs_text: str
    certificate: Certificate
    totals: Totals
    rivals: tuple[Proposal, ...]
    compared: Compared
    faults: tuple[Fault, ...]
    stream: PlannedStream | None = None
    proof: str = ""
    precision: PlannedPrecision | None = None


@dataclass(frozen=True, slots=True)
class Decide:
    """`by_costs` is for a table that was handed in: nothing is timed, the least total ships.
    `budget` is of errors that are known already."""

    objective: Objective
    restrict: Restrict
    tolerance: float | None
    max_energy_j: float | None
    by_costs: bool
    phases: Phases
    budget: ErrorBudget | None = None

    def __call__(
        self, measurements: Measurements, expanded: ExpandedGraph, profiled: Profiled, dump: Dump
    ) -> Decision:
        """Nodes whose outputs turn out to be wrong somewhere are placed anew, where they can be."""
        costs, faults = profiled.costs, profiled.faults
        budget = self._budget(measurements, expanded)
        if budget is not None:
            faults = (*faults, *budget.faults)
            expanded = expanded_without(expanded, budget.faults)
            costs = with_errors_of(budget, costs)
        for left in reversed(range(_MOST_REPLANS + 1)):
            costs_text = write_costs(costs)
            dump("costs", costs_text, "json")
            with self.phases("partition"):
                allowed = self.restrict(costs)
                if self.max_energy_j is not None:
                    allowed = with_energy_limit(allowed, self.max_energy_j)
                watch = measurements.context.settings.watch
                solved = self._solved(allowed, budget, watch)
                solution, totals = solved.solved
                dump("schedule", f"{solution.certificate}\n{solution.schedule}")
                if budget is not None and solved.limit is not None:
                    allowed = budget.limited(allowed, solved.limit)
                search_s = SEARCH_S[measurements.context.settings.effort]
                rivals = proposals(allowed, solution, self.objective, search_s)
                by_time = self.objective == LATENCY
                left_out = not_built(rivals, budget.rms) if budget and by_time else ()
                out = [each.proposal for each in left_out]
                built = tuple(each for each in rivals if each not in out)
            spare = partial(can_do_without, self.restrict, expanded) if left else None
            with self.phases("gate"):
                if not self.by_costs:
                    compare = Comparison(measurements, self.objective, self.tolerance)
                    compared = compare(built, allowed, spare)
                else:
                    compared = best_that_is_right(
                        measurements,
                        rivals,
                        lambda left: predicted(left, self.objective),
                        self.objective,
                        self.tolerance,
                        spare,
                    )
            if not compared.faults:
                break
            faults = (*faults, *compared.faults)
            expanded = expanded_without(expanded, compared.faults)
            costs = without(costs, {(fault.node, fault.device) for fault in compared.faults})
        dump("contenders", "\n".join(map(str, compared.contenders)))
        precision = None
        if budget is not None:
            with self.phases("precision"):
                front = budget.front(allowed, self.objective)
                precision = budget.planned(solved, rivals, compared, front, left_out)
        return Decision(
            expanded,
            costs,
            costs_text,
            solution.certificate,
            totals,
            rivals,
            compared,
            faults,
            precision=precision,
        )

    def _budget(self, measurements: Measurements, expanded: ExpandedGraph) -> ErrorBudget | None:
        """None without a tolerance, and for costs that were handed in, which may have one of their
        own."""
        if self.tolerance is None or self.by_costs:
            return None
        if self.budget is not None:
            return replace(self.budget, tolerance=self.tolerance)
        with self.phases("precision"):
            return ErrorBudget.of(measurements, expanded, self.tolerance)

    def _solved(
        self, table: CostTable, budget: ErrorBudget | None, watch: Told
    ) -> Tightened[tuple[Solution, Totals]]:
        if budget is not None:
            return budget.solved(table, self.objective)
        return Tightened(Partition(self.objective, told=watch).with_totals(table), ())


def with_errors_of(budget: ErrorBudget, costs: CostTable) -> CostTable:
    """The costs without candidates of which no error is known, and with those of all others."""
    out = {(fault.node, fault.device) for fault in budget.faults}
    return budget.within(without(costs, out))


def expanded_without(expanded: ExpandedGraph, faults: Sequence[Fault]) -> ExpandedGraph:
    """Without these candidates; raises UnplaceableError where that leaves a node none."""
    for fault in faults:
        expanded = expanded.without(fault.node, fault.device, fault.reason)
    return expanded


def can_do_without(restrict: Restrict, expanded: ExpandedGraph, faults: Sequence[Fault]) -> bool:
    """Whether every node still has a device, by the rules, where these candidates fall out."""
    try:
        restrict.check(expanded_without(expanded, faults))
    except UnplaceableError:
        return False
    return True

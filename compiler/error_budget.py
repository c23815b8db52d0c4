"""Error as a budget: what each node may cost in accuracy, solved with the costs, and measured.

NodeErrors -> CostTable with a budget -> partition -> held-out samples
                    ^                                    |
                    '------- a tighter limit ------------'
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stagecut import backends
from stagecut.compiler.compared import Compared
from stagecut.compiler.ir.account import Account
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.costs import ERROR, CostTable, NodeCosts, with_error_limit, with_errors
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.errors import ToleranceError, UnplaceableError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.precision import ContenderError, PlannedPrecision
from stagecut.compiler.ir.solution import Solution, Totals
from stagecut.compiler.kept_errors import KeptErrors, node_errors, plan_error
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.partition.partition import Partition
from stagecut.passes.precision.tighten import Tightened, tighten
from stagecut.passes.profile.profile import Fault

#: How long HiGHS may search under a budget: stages that start one after the other leave a gap that
#: it rarely closes, and the certificate says how large that is.
_SEARCH_S = 5.0

#: A part of a limit that is no larger is rounding.
_ROUNDING = 1e-9

Solved = tuple[Solution, Totals]


def without_idle(expanded: ExpandedGraph, engines: Mapping[str, Backend]) -> ExpandedGraph:
    """Without devices of lower precision that would compute every node of the graph as others do
    in full: those that find no weight to quantise."""
    nodes = expanded.graph.nodes
    for name, engine in engines.items():
        idle = not engine.device.keeps_precision and not any(
            name in expanded.candidates[node.name] and backends.quantises(engine, node)
            for node in nodes
        )
        if not idle or any(expanded.candidates[node.name] == (name,) for node in nodes):
            continue
        for node in nodes:
            if name in expanded.candidates[node.name]:
                expanded = expanded.without(node.name, name, "the model has nothing to quantise")
    return expanded


def lower_devices(
    expanded: ExpandedGraph, engines: Mapping[str, Backend]
) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """By node, the precisions below the model's in which it may run, each with its devices."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for node in expanded.graph.nodes:
        for name in expanded.candidates[node.name]:
            if backends.quantises(engines[name], node):
                own = found.setdefault(node.name, {})
                precision = engines[name].device.precision
                own[precision] = (*own.get(precision, ()), name)
    return found


@dataclass(frozen=True)
class ErrorBudget:
    """Of one program: `squared` is, by node and device, the square of the relative rms error that
    the node alone causes there. `faults` are candidates of which nothing can be said."""

    measurements: Measurements
    tolerance: float
    squared: Mapping[str, Mapping[str, float]]
    faults: tuple[Fault, ...]
    measured: KeptErrors

    @classmethod
    def of(
        cls, measurements: Measurements, expanded: ExpandedGraph, tolerance: float
    ) -> "ErrorBudget | None":
        """None where nothing computes in lower precision, or the reference cannot say what is
        right."""
        lower = lower_devices(expanded, measurements.context.backends)
        if not lower:
            return None
        measured = node_errors(
            measurements, {n: {p: d[0] for p, d in own.items()} for n, own in lower.items()}
        )
        if measured is None:
            return None
        found = measured.found
        squared = {
            node: {
                device: found.squared[node][precision]
                for precision, devices in own.items()
                for device in devices
                if precision in found.squared.get(node, {})
            }
            for node, own in lower.items()
        }
        faults = tuple(
            Fault(node, device, f"its error is not known: {reason}")
            for node, precision, reason in found.unknown
            for device in lower[node][precision]
        )
        return cls(measurements, tolerance, squared, faults, measured)

    def within(self, table: CostTable) -> CostTable:
        """The table with the budget."""
        return with_errors(table, self.squared, self.tolerance**2)

    def solved(self, table: CostTable, objective: Objective) -> Tightened[Solved]:
        """Raises ToleranceError where no schedule is within the budget."""

        watch = self.measurements.context.settings.watch

        def solve(limit: float) -> Solved:
            limited = with_error_limit(table, limit)
            try:
                return Partition(objective, _SEARCH_S, watch).with_totals(limited)
            except UnplaceableError as error:
                raise self._refused(table, limit, objective, error) from error

        return tighten(
            self.tolerance,
            solve,
            lambda solved: off_by(solved[0].account),
            lambda solved: self._measured(solved[0]),
        )

    def _measured(self, solution: Solution) -> float | None:
        if not solution.account.uses.get(ERROR):
            return None
        id_ = ContenderId(ContenderKind.OPTIMUM)
        return plan_error(
            self.measurements, Proposal(id_, solution.schedule, solution.account), self.tolerance
        )

    def _refused(
        self, table: CostTable, limit: float, objective: Objective, error: UnplaceableError
    ) -> UnplaceableError | ToleranceError:
        """What the least error is, and what it costs; the error itself where that is not why."""
        least = math.fsum(_least(node) for node in table.nodes)
        if least <= limit:
            return error
        finest = tuple(_finest(node) for node in table.nodes)
        watch = self.measurements.context.settings.watch
        solution = Partition(objective, told=watch)(
            with_error_limit(replace(table, nodes=finest), None)
        )
        cost = objective.text(solution.total_s)
        return ToleranceError(
            f"the least error that can be had on these devices is {math.sqrt(least):.2g} (rms, by "
            f"the errors of single nodes), at {cost}",
            where=f"tolerance {self.tolerance:g}",
            fix="raise the tolerance, or add a device that computes in the model's precision",
        )

    def planned(
        self, solved: Tightened[Solved], rivals: Sequence[Proposal], compared: Compared
    ) -> PlannedPrecision:
        """What the plan says of it."""
        return PlannedPrecision(
            self.tolerance,
            self.measured.samples,
            self.measured.found.runs,
            self.measured.held_out,
            solved.attempts,
            tuple(
                ContenderError(
                    rival.name,
                    off_by(rival.account),
                    compared.off_by(rival.id),
                    any(each.id.plain in rival.ids for each in compared.contenders),
                )
                for rival in rivals
            ),
        )


def off_by(account: Account) -> float:
    """The relative rms error that the sum of squares predicts."""
    return math.sqrt(account.uses.get(ERROR, 0.0))


def _least(node: NodeCosts) -> float:
    """The least of its errors, squared."""
    return min(_error(node, device) for device in node.run_s)


def _error(node: NodeCosts, device: str) -> float:
    return node.uses.get(ERROR, {}).get(device, 0.0)


def _finest(node: NodeCosts) -> NodeCosts:
    """On the devices alone on which its error is least."""
    most = _least(node) * (1 + _ROUNDING)
    return replace(
        node,
        run_s={name: time_s for name, time_s in node.run_s.items() if _error(node, name) <= most},
    )

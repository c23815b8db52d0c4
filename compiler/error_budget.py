"""Error as a budget: what each node may cost in accuracy, solved with the costs, and measured.

NodeErrors -> CostTable with a budget -> partition -> held-out samples
                    ^                                    |
                    '------- a tighter limit ------------'
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from stagecut import backends
from stagecut.compiler.compared import Compared
from stagecut.compiler.effort import FRONT_MEASURED, FRONT_POINTS, SEARCH_S
from stagecut.compiler.ir.account import Account, account
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.costs import ERROR, CostTable, NodeCosts, with_error_limit, with_errors
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.errors import ToleranceError, UnplaceableError
from stagecut.compiler.ir.metric import Metric
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.precision import ContenderError, ErrorPoint, PlannedPrecision
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Solution, Totals
from stagecut.compiler.ir.stream import StreamSolution
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.kept_errors import KeptCheck, KeptErrors, node_errors, plan_check
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.not_built import NotBuilt
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.precision.error_front import error_front
from stagecut.passes.precision.tighten import Tightened, tighten
from stagecut.passes.profile.profile import Fault

#: How long HiGHS may search for each schedule of the front, of which nothing is proved.
_FRONT_SEARCH_S = 1.0

#: A part of a limit that is no larger is rounding.
_ROUNDING = 1e-9

_NOTHING_HELD_OUT = (
    "no sample is held out, so that errors of whole plans are only known on the model's own one: "
    "give several with --calibrate"
)

Solved = tuple[Solution, Totals]

Answer = TypeVar("Answer")


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
    """Of one program: `by_output` is, by node, device and output, the square of the relative rms
    error that the node alone causes there. `faults` are candidates of which nothing can be said.
    Each schedule is measured once, also where nothing is kept on disk."""

    measurements: Measurements
    tolerance: float
    by_output: Mapping[str, Mapping[str, Mapping[str, float]]]
    faults: tuple[Fault, ...]
    measured: KeptErrors
    _checks: dict[Schedule, KeptCheck] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def own(self) -> float:
        """The square of the error of the model itself, to which those of nodes add up."""
        return self.measured.own**2

    @classmethod
    def of(
        cls, measurements: Measurements, expanded: ExpandedGraph, tolerance: float
    ) -> "ErrorBudget | None":
        """None where nothing computes in lower precision, the model itself included, or the
        reference cannot say what is right."""
        lower = lower_devices(expanded, measurements.context.backends)
        if not lower and measurements.answers.original is None:
            return None
        measured = node_errors(
            measurements, {n: {p: d[0] for p, d in own.items()} for n, own in lower.items()}
        )
        if measured is None:
            return None
        if not measured.held_out:
            measurements.context.settings.warn(_NOTHING_HELD_OUT)
        found = measured.found
        by_output = {
            node: {
                device: found.by_output[node][precision]
                for precision, devices in own.items()
                for device in devices
                if precision in found.by_output.get(node, {})
            }
            for node, own in lower.items()
        }
        faults = tuple(
            Fault(node, device, f"its error is not known: {reason}")
            for node, precision, reason in found.unknown
            for device in lower[node][precision]
        )
        return cls(measurements, tolerance, by_output, faults, measured)

    @cached_property
    def worst(self) -> Mapping[str, Mapping[str, float]]:
        """By node and device, at the output where it is worst: no output is off by more than their
        sum."""
        return {
            node: {device: max(each.values(), default=0.0) for device, each in own.items()}
            for node, own in self.by_output.items()
        }

    def within(self, table: CostTable) -> CostTable:
        """The table with the budget: what the model itself leaves of it."""
        return with_errors(table, self.worst, self._left(self._most))

    @property
    def metric(self) -> Metric | None:
        """The user's own, which then is what the tolerance is about."""
        return self.measurements.program.metric

    @property
    def search_s(self) -> float:
        """How long each search under it may take."""
        return SEARCH_S[self.measurements.context.settings.effort]

    @property
    def rms(self) -> float | None:
        """The relative rms error that a plan may have; None where a metric says what may be."""
        return self.tolerance if self.metric is None else None

    @property
    def _most(self) -> float:
        """The first limit for the sum of all squares: with a metric, of which nothing is known yet,
        one that no schedule exceeds."""
        if self.metric is None:
            return self.tolerance**2
        worst = math.fsum(max(each.values()) for each in self.worst.values() if each)
        return 2.0 * worst + 1.0 + self.own

    def limited(self, table: CostTable, limit: float) -> CostTable:
        """The table with another limit for the sum of all squares, the model's own error among
        them."""
        return with_error_limit(table, self._left(limit))

    def _left(self, limit: float) -> float:
        return max(0.0, limit - self.own)

    def solved(self, table: CostTable, objective: Objective) -> Tightened[Solved]:
        """Raises ToleranceError where no schedule is within the budget."""
        partition = Partition(objective, self.search_s, self.measurements.context.settings.watch)
        return self._tightened(
            table, objective, partition.with_totals, lambda solved: solved[0].schedule
        )

    def streamed(self, table: CostTable, limits: tuple[Limit, ...]) -> Tightened[StreamSolution]:
        """The fastest stream within the budget, which is of each of its inputs; raises
        ToleranceError where there is none."""
        return self._tightened(
            table, LATENCY, Throughput(limits), lambda solved: solved.stream.schedule
        )

    def _tightened(
        self,
        table: CostTable,
        objective: Objective,
        solver: Callable[[CostTable], Answer],
        schedule_of: Callable[[Answer], Schedule],
    ) -> Tightened[Answer]:
        self._check_own()

        def solve(limit: float) -> Answer:
            try:
                return solver(self.limited(table, limit))
            except UnplaceableError as error:
                left = self._left(limit)
                raise refused(table, left, self.own, self.tolerance, objective, error) from error

        loose = with_error_limit(table, None)
        return tighten(
            self.tolerance,
            self._most,
            solve,
            lambda solved: self._used(account(loose, schedule_of(solved))),
            lambda solved: self.predicted(schedule_of(solved)),
            lambda solved: self._measured(loose, schedule_of(solved)),
        )

    def _check_own(self) -> None:
        if self.metric is None and self.measured.own > self.tolerance:
            raise ToleranceError(
                f"the model itself is off by {self.measured.own:.2g} (rms on held-out samples) "
                "from the one that it was made from",
                where=f"tolerance {self.tolerance:g}",
                fix="raise the tolerance, or quantise the model less",
            )

    def _measured(self, table: CostTable, schedule: Schedule) -> float | None:
        costs = account(table, schedule)
        return self._check(schedule, costs).off(self.metric) if self._used(costs) else None

    def _check(self, schedule: Schedule, costs: Account) -> KeptCheck:
        if schedule not in self._checks:
            proposal = Proposal(ContenderId(ContenderKind.OPTIMUM), schedule, costs)
            self._checks[schedule] = plan_check(self.measurements, proposal, self.tolerance)
        return self._checks[schedule]

    def front(self, table: CostTable, objective: Objective) -> tuple[ErrorPoint, ...]:
        """Time against error, by the costs, with the errors measured where the effort has time for
        it, or they are known; nothing where it has none for a front, or there is nothing to
        trade."""

        def solve(limit: float | None) -> Solution:
            partition = Partition(objective, _FRONT_SEARCH_S, searches_orders=False)
            return partition(with_error_limit(table, limit))

        most = FRONT_POINTS[self.measurements.context.settings.effort]
        found = tuple(error_front(solve, lambda each: each.account.uses.get(ERROR, 0.0), most))
        return tuple(map(self._point, found)) if len(found) > 1 else ()

    def _point(self, solution: Solution) -> ErrorPoint:
        costs, schedule = solution.account, solution.schedule
        measures = FRONT_MEASURED[self.measurements.context.settings.effort]
        check = self._check(schedule, costs) if measures else self._checks.get(schedule)
        held = None if check is None else check.held
        return ErrorPoint(
            costs.latency_s,
            costs.basis,
            self.predicted(solution.schedule),
            None if held is None else held.rms,
            solution.assignment.devices,
        )

    def _used(self, costs: Account) -> float:
        """The sum of squares that the budget limits, the model's own error among them."""
        return costs.uses.get(ERROR, 0.0) + self.own

    def predicted(self, schedule: Schedule) -> float:
        """The relative rms error that the sums of squares predict, of the output where it is
        largest: at most the root of the sum that the budget limits, in which each node counts by
        the output where it alone is worst."""
        sums: dict[str, float] = {}
        for stage in schedule.stages:
            for node in stage.nodes:
                for output, squared in self.by_output.get(node, {}).get(stage.device, {}).items():
                    sums[output] = sums.get(output, 0.0) + squared
        return math.sqrt(max(sums.values(), default=0.0) + self.own)

    def planned(
        self,
        solved: Tightened[Answer],
        rivals: Sequence[Proposal],
        compared: Compared,
        front: tuple[ErrorPoint, ...] = (),
        left_out: Sequence[NotBuilt] = (),
    ) -> PlannedPrecision:
        """What the plan says of it."""
        original = self.measurements.answers.original
        return PlannedPrecision(
            self.tolerance,
            self.measured.samples,
            self.measured.found.runs,
            self.measured.held_out,
            solved.attempts,
            tuple(
                ContenderError(
                    rival.name,
                    self.predicted(rival.schedule),
                    None if held is None else held.rms,
                    any(each.id.plain in rival.ids for each in compared.contenders),
                    None if held is None else held.metric,
                )
                for rival, held in ((each, compared.held_out(each.id)) for each in rivals)
            ),
            "" if original is None else original.source,
            self.measured.own,
            "" if self.metric is None else self.metric.name,
            self.measurements.answers.right_by_metric,
            front,
            tuple(map(str, left_out)),
        )


def refused(
    table: CostTable,
    limit: float,
    own: float,
    tolerance: float,
    objective: Objective,
    error: UnplaceableError,
) -> UnplaceableError | ToleranceError:
    """What the least error is, with its `own` part, squared, and what it costs; the error itself
    where that is not why there is no schedule within `limit`."""
    least = math.fsum(_least(node) for node in table.nodes)
    if least <= limit:
        return error
    finest = tuple(_finest(node) for node in table.nodes)
    solution = Partition(objective)(with_error_limit(replace(table, nodes=finest), None))
    return ToleranceError(
        f"the least error that can be had on these devices is {math.sqrt(least + own):.2g} (rms, "
        f"by the errors of single nodes), at {objective.text(solution.total_s)}",
        where=f"tolerance {tolerance:g}",
        fix="raise the tolerance, or add a device that computes in the model's precision",
    )


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

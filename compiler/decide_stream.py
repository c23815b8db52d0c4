"""Decide how many inputs stream through the machine: solve, run what was found, solve again.

CostTable -> whole replicas run -> loaded costs -> Throughput -> stages run -> loaded costs -> ...
          -> a stream whose stages were all run -> further turns -> loaded costs -> ... -> gate

Costs of single nodes say which pipelines are worth a try; what a stage takes in a stream is seen
by running it in one. The solver is asked again with what was seen, until all the stages that it
chooses have been: then its proof is about costs as they are in the stream that ships.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stagecut import backends
from stagecut.compiler.arrows import Dump, Phases
from stagecut.compiler.compared import Compared
from stagecut.compiler.decide import Decision, can_do_without, expanded_without
from stagecut.compiler.error_budget import ErrorBudget
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.formats.stream_json import write_stream
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.contender import Contender, ContenderKind
from stagecut.compiler.ir.costs import ENERGY, CostTable, with_error_limit
from stagecut.compiler.ir.errors import CostTableError, UnplaceableError
from stagecut.compiler.ir.planned_stream import FrontPoint, PlannedStream
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.stream import StreamSolution, as_planned, in_flight
from stagecut.compiler.ir.stream_certificate import MEMORY, Limit, most_latency_s
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.stream_entry import Entry, singles
from stagecut.compiler.stream_field import StreamField, Ways
from stagecut.compiler.whole_replicas import with_all_cores
from stagecut.passes.gate.stream_contenders import (
    StreamProposal,
    fastest,
    replicas_of_all,
)
from stagecut.passes.gate.stream_reason import reason
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.restrict import Restrict, without
from stagecut.passes.partition.throughput.front import Front
from stagecut.passes.partition.throughput.lattice import Lattice
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.precision.tighten import Tightened
from stagecut.passes.profile.loaded import loaded
from stagecut.passes.profile.profile import Fault, Profiled

#: So often the solver is asked again with what was seen of its last answer, the last time with what
#: was seen in further turns.
_MOST_SOLVES = 5

#: Of the front, streams whose latency is by less than that part below the one before are left out,
#: and those behind so many.
_STEP, _MOST_POINTS = 0.1, 8
#: For more sets of nodes that may have run, each limit on latency takes too long to solve.
_MOST_IDEALS = 600


@dataclass(frozen=True, slots=True)
class DecideStream:
    """`by_costs` is for a table that was handed in: nothing is timed, the least period ships. There
    are `size` inputs in each call; `processes` says whether replicas are tried in these, too."""

    restrict: Restrict
    tolerance: float | None
    limits: tuple[Limit, ...]
    by_costs: bool
    phases: Phases
    size: int = 1
    processes: bool = True

    @classmethod
    def of_any(cls, tolerance: float | None, phases: Phases) -> "DecideStream":
        """Of streams without rules or limits: for what these cost."""
        return cls(Restrict(), tolerance, (), by_costs=False, phases=phases)

    def __call__(
        self, measurements: Measurements, expanded: ExpandedGraph, profiled: Profiled, dump: Dump
    ) -> Decision:
        """Raises UnplaceableError where the machine has too little for any stream, or none keeps to
        the limits; CostTableError where energy is limited and not known."""
        if self.by_costs:
            _refuse_batches(profiled.costs)
        budget = self._budget(measurements, expanded)
        costs, before = profiled.costs, profiled.faults
        if budget is not None:
            expanded = expanded_without(expanded, budget.faults)
            before = (*before, *budget.faults)
            out = {(fault.node, fault.device) for fault in budget.faults}
            costs = with_error_limit(budget.within(without(costs, out)), None)
        costs = costs if self.by_costs else with_all_cores(costs)
        if any(limit.name == ENERGY for limit in self.limits):
            costs.require_energy()
        roomy = not any(limit.name == MEMORY for limit in self.limits)
        with StreamField(
            measurements,
            self.tolerance,
            timed=not self.by_costs,
            size=self.size,
            most_latency_s=most_latency_s(self.limits),
            ways=Ways(apart=roomy, processes=self.processes and roomy),
        ) as field:
            costs, solved, faults = self._solved(field, costs, expanded, budget)
            solution = solved.solved
            dump("schedule", f"{solution.certificate.claim}\n{solution.stream}")
            allowed = costs
            if budget is not None and solved.limit is not None:
                allowed = budget.limited(costs, solved.limit)
            costs_text = write_costs(allowed)
            dump("costs", costs_text, "json")
            with self.phases("gate"):
                field.enter_otherwise()
                entries = field.final(fastest(costs, solution), costs, self.limits)
                compared = field.compared(entries)
        dump("contenders", "\n".join(map(str, compared.contenders)))
        shipped = next(
            entry.proposal for entry in entries if entry.proposal.id == compared.chosen.id
        )
        rivals = singles(entries)
        return Decision(
            expanded_without(expanded, faults),
            costs,
            costs_text,
            certificate_of(solution),
            {},
            rivals,
            compared,
            (*before, *faults),
            self._planned(shipped, allowed, solution, entries, compared, field.measured),
            write_stream(solution),
            None if budget is None else budget.planned(solved, rivals, compared),
        )

    def _budget(self, measurements: Measurements, expanded: ExpandedGraph) -> ErrorBudget | None:
        """Of each input: replicas compute the same."""
        if self.tolerance is None or self.by_costs:
            return None
        with self.phases("precision"):
            return ErrorBudget.of(measurements, expanded, self.tolerance)

    def costs(
        self, measurements: Measurements, expanded: ExpandedGraph, profiled: Profiled
    ) -> Profiled:
        """The costs as they are in streams: those by which a stream would be decided on."""
        costs = with_all_cores(profiled.costs)
        with StreamField(measurements, self.tolerance, timed=True, size=self.size) as field:
            costs, _, faults = self._solved(field, costs, expanded)
        return replace(profiled, costs=costs, faults=(*profiled.faults, *faults))

    def _planned(
        self,
        shipped: StreamProposal,
        costs: CostTable,
        solution: StreamSolution,
        entries: Sequence[Entry],
        compared: Compared,
        measured: int,
    ) -> PlannedStream:
        """How it streams, and what else is known of streams by the costs."""
        account = shipped.account
        allowed = self.restrict(costs)
        proposals = [entry.proposal for entry in entries]
        wholes = [each for each in proposals if each.id.kind is ContenderKind.SINGLE]
        seen = {each.id: each for each in compared.contenders if each.accounting == "measured"}
        with self.phases("partition"):
            why = reason(allowed, self.limits, shipped, wholes, seen)
            another = None
            if _uses_all_cores(allowed, shipped):
                another = self._with_another_core(allowed, solution)
            front = self._front(allowed)
        return PlannedStream(
            shipped.stream.replicas,
            (1,) * len(shipped.stream.replicas),
            account.period_s,
            account.latency_s,
            account.basis,
            account.busy,
            why,
            another,
            tuple(point for point in map(_point, front) if point.latency_s < account.latency_s)[
                :_MOST_POINTS
            ],
            shipped.hosting,
            in_flight=self._in_flight(shipped, seen.get(compared.chosen.id)),
            measured=measured,
            candidates=solution.candidates,
        )

    def _in_flight(self, shipped: StreamProposal, seen: Contender | None) -> int:
        """As many as keep to a limit on latency at the period that was seen, where it was."""
        account = shipped.account
        most_s = most_latency_s(self.limits)
        if seen is not None:
            most_s = as_planned(most_s, account.period_s, seen.median_s)
        replicas = shipped.stream.replicas
        return in_flight(
            replicas, (1,) * len(replicas), account.period_s, account.latency_s, most_s
        )

    def _with_another_core(self, costs: CostTable, solution: StreamSolution) -> FrontPoint | None:
        """Nothing where no device uses any, or none is faster then than the best without."""
        more = _with_another_core(costs)
        if more is None:
            return None
        try:
            found = Throughput(self.limits)(more)
        except UnplaceableError:
            return None
        return _point(found) if found.account.period_s < solution.account.period_s else None

    def _front(self, costs: CostTable) -> tuple[StreamSolution, ...]:
        """Nothing where it would take long, or cannot be told."""
        if len(Lattice.of(Precedence.of(costs)).ideals) > _MOST_IDEALS:
            return ()
        try:
            return Front(self.limits, step=_STEP)(costs)
        except UnplaceableError:
            return ()

    def _solved(
        self,
        field: StreamField,
        costs: CostTable,
        expanded: ExpandedGraph,
        budget: ErrorBudget | None = None,
    ) -> tuple[CostTable, Tightened[StreamSolution], tuple[Fault, ...]]:
        """The costs as they are in streams, and the fastest stream by them; without the nodes whose
        outputs turned out to be wrong somewhere."""
        faults: tuple[Fault, ...] = ()
        proposals = [*replicas_of_all(self.restrict(costs), self.limits)]
        for left in reversed(range(_MOST_SOLVES)):
            with self.phases("gate"):
                new = field.enter(proposals)
            if new and can_do_without(self.restrict, expanded, (*faults, *new)):
                faults = (*faults, *new)
                costs = without(costs, {(fault.node, fault.device) for fault in new})
            with self.phases("partition"):
                table = loaded(costs, field.calls(costs))
                solved = self._fastest(self.restrict(table), budget)
            if not left:
                break
            if not field.knows(solved.solved):
                proposals = [fastest(table, solved.solved)]
                continue
            with self.phases("gate"):
                if not field.settle():
                    break
            proposals = []
        return table, solved, faults

    def _fastest(self, table: CostTable, budget: ErrorBudget | None) -> Tightened[StreamSolution]:
        if budget is None:
            return Tightened(Throughput(self.limits)(table), ())
        return budget.streamed(table, self.limits)


def _refuse_batches(costs: CostTable) -> None:
    """A plan has programs for the shapes that it was compiled for."""
    for index, device in enumerate(costs.machine.devices):
        if device.batch > 1:
            raise CostTableError(
                f"its costs are for {device.batch} inputs in a call, and a plan runs one",
                where=f"devices[{index}].batch",
                fix="give costs of single inputs; or compile for the shape of such a batch",
            )


def _uses_all_cores(costs: CostTable, shipped: StreamProposal) -> bool:
    """Else it is no core that it lacks."""
    units = costs.machine.units_of.get(backends.CPU, 0)
    return shipped.account.used.get(backends.CPU, 0) >= units


def _with_another_core(costs: CostTable) -> CostTable | None:
    """None where no device uses any."""
    resources = costs.machine.resources
    if all(each.name != backends.CPU for each in resources):
        return None
    more = tuple(
        replace(each, units=each.units + 1) if each.name == backends.CPU else each
        for each in resources
    )
    return replace(costs, machine=replace(costs.machine, resources=more))


def _point(solution: StreamSolution) -> FrontPoint:
    pairs = zip(solution.stream.replicas, solution.stream.schedule.stages, strict=True)
    stages = " > ".join(f"{count} x {stage.device}" for count, stage in pairs)
    account = solution.account
    return FrontPoint(account.period_s, account.latency_s, stages, account.basis)


def certificate_of(solution: StreamSolution) -> Certificate:
    """What a plan says of a stream's proof."""
    proof = solution.certificate
    return Certificate(
        "throughput",
        solution.account.period_s,
        proof.lower_bound_s,
        exact=not proof.gap,
        scope=proof.scope,
        proof="potentials over the sets of nodes that may have run",
        statement=proof.claim,
    )

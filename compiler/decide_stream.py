"""Decide how many inputs stream through the machine: solve, run what was found, solve again.

CostTable -> whole replicas run -> loaded costs -> Throughput -> stages run -> loaded costs -> ...
          -> a stream whose stages were all run -> gate

Costs of single nodes say which pipelines are worth a try; what a stage takes in a stream is seen
by running it in one. The solver is asked again with what was seen, until all the stages that it
chooses have been: then its proof is about costs as they are in the stream that ships.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stagecut import backends
from stagecut.compiler.arrows import Dump, Phases
from stagecut.compiler.circumstances import quietest
from stagecut.compiler.compared import Compared
from stagecut.compiler.context import Settings
from stagecut.compiler.decide import Decision, can_do_without, expanded_without
from stagecut.compiler.effort import STREAM_ROUNDS
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.formats.stream_json import write_stream
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CostTableError, EngineError, StagecutError, UnplaceableError
from stagecut.compiler.ir.objective import THROUGHPUT
from stagecut.compiler.ir.plan import Contender, ContenderKind, FrontPoint, PlannedStream
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.stream import StreamRun, StreamSolution, stream_account
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.gate import choose, disputed
from stagecut.passes.gate.stream_contenders import (
    StreamProposal,
    fastest,
    keeps_to,
    replicas_of_all,
)
from stagecut.passes.gate.stream_gate import BuiltStream, StreamGate, Turn, predicted
from stagecut.passes.gate.stream_reason import reason
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.restrict import Restrict, without
from stagecut.passes.partition.throughput.front import Front
from stagecut.passes.partition.throughput.lattice import Lattice
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.profile.loaded import ObservedCall, loaded
from stagecut.passes.profile.profile import Fault, Profiled
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.runtime.executor import Executor
from stagecut.runtime.stream.full import FullStream
from stagecut.runtime.stream.pipeline import in_flight

#: So often the solver is asked again with what was seen of its last answer.
_MOST_SOLVES = 4

#: Of the front, streams whose latency is by less than that part below the one before are left out,
#: and those behind so many.
_STEP, _MOST_POINTS = 0.1, 8
#: For more sets of nodes that may have run, each limit on latency takes too long to solve.
_MOST_IDEALS = 600


@dataclass(frozen=True, slots=True)
class DecideStream:
    """`by_costs` is for a table that was handed in: nothing is timed, the least period ships."""

    restrict: Restrict
    tolerance: float | None
    limits: tuple[Limit, ...]
    by_costs: bool
    phases: Phases

    def __call__(
        self, measurements: Measurements, expanded: ExpandedGraph, profiled: Profiled, dump: Dump
    ) -> Decision:
        """Raises UnplaceableError where the machine has too little for any stream, or none keeps to
        the limits."""
        if self.by_costs:
            _refuse_batches(profiled.costs)
        costs = profiled.costs if self.by_costs else _with_all_cores(profiled.costs)
        field = _Field(measurements, self.tolerance, timed=not self.by_costs)
        costs, solution, faults = self._solved(field, costs, expanded)
        dump("schedule", f"{solution.certificate.claim}\n{solution.stream}")
        costs_text = write_costs(costs)
        dump("costs", costs_text, "json")
        with self.phases("gate"):
            entries = field.final(fastest(costs, solution), costs, self.limits)
            compared = field.compared(entries)
        dump("contenders", "\n".join(map(str, compared.contenders)))
        shipped = next(
            entry.proposal for entry in entries if entry.proposal.id == compared.chosen.id
        )
        return Decision(
            expanded_without(expanded, faults),
            costs,
            costs_text,
            _certificate(solution),
            {},
            tuple(entry.proposal.single for entry in entries),
            compared,
            (*profiled.faults, *faults),
            self._planned(shipped, costs, solution, [entry.proposal for entry in entries]),
            write_stream(solution),
        )

    def _planned(
        self,
        shipped: StreamProposal,
        costs: CostTable,
        solution: StreamSolution,
        proposals: Sequence[StreamProposal],
    ) -> PlannedStream:
        """How it streams, and what else is known of streams by the costs."""
        account = shipped.account
        allowed = self.restrict(costs)
        wholes = [each for each in proposals if each.id.kind is ContenderKind.SINGLE]
        with self.phases("partition"):
            another = self._with_another_core(allowed, solution)
            front = self._front(allowed)
        return PlannedStream(
            shipped.stream.replicas,
            1,
            account.period_s,
            account.latency_s,
            account.basis,
            tuple(account.busy(stage) for stage in range(len(account.stages))),
            reason(costs, shipped, wholes),
            another,
            tuple(point for point in map(_point, front) if point.latency_s < account.latency_s)[
                :_MOST_POINTS
            ],
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
        self, field: "_Field", costs: CostTable, expanded: ExpandedGraph
    ) -> tuple[CostTable, StreamSolution, tuple[Fault, ...]]:
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
                solution = Throughput(self.limits)(self.restrict(table))
            if field.knows(solution) or not left:
                break
            proposals = [fastest(table, solution)]
        return table, solution, faults


@dataclass(frozen=True, slots=True)
class _Entry:
    """A stream that may ship. It has no turn where it is not timed: parts of it are modelled, or
    the costs were handed in."""

    proposal: StreamProposal
    built: Built
    turn: Turn | None = None


class _Field:
    """The streams that take part, and what was seen of their stages."""

    def __init__(self, measurements: Measurements, tolerance: float | None, *, timed: bool) -> None:
        settings = measurements.context.settings
        self._measurements = measurements
        self._tolerance = tolerance
        self._timed = timed
        self._settings: Settings = settings
        self._gate = StreamGate(
            settings.clock, settings.cpu_clock, settings.progress, STREAM_ROUNDS[settings.effort]
        )
        self._entries: list[_Entry] = []
        self._dropped: list[str] = []
        self._error: StagecutError | None = None
        self._calls: dict[Stage, ObservedCall] = {}
        self._failed: set[tuple[Stage, ...]] = set()

    def enter(self, proposals: Iterable[StreamProposal]) -> tuple[Fault, ...]:
        """Build streams, hold their outputs against the reference's, and let each run for a turn;
        the nodes that are to blame where outputs are wrong."""
        answers = self._measurements.answers
        faults: list[Fault] = []
        for proposal in proposals:
            try:
                checked = answers.checked([proposal.single], self._tolerance)
                for wrong in checked.wrong:
                    self._failed.add(proposal.stream.schedule.stages)
                    self._drop(str(wrong), wrong.error)
                    faults += answers.culprits([wrong], self._tolerance)
                self._entries += [self._entry(proposal, built) for built in checked.built]
            except EngineError as error:
                self._failed.add(proposal.stream.schedule.stages)
                self._drop(f"stream {proposal.id} is left out: {error.problem}", error)
        return tuple(faults)

    def _drop(self, told: str, error: StagecutError) -> None:
        self._dropped.append(told)
        self._error = self._error or error

    def _entry(self, proposal: StreamProposal, built: Built) -> _Entry:
        if not self._timed or proposal.account.basis == "modelled":
            return _Entry(proposal, built)
        entry = _Entry(proposal, built)
        turn = self._gate.first_turn(self._running(entry), self._measurements.program.feeds)
        stages = proposal.stream.schedule.stages
        for stage, call_s in zip(stages, turn.run.call_s, strict=True):
            self._calls.pop(stage, None)  # what was seen last overrules what was before
            self._calls[stage] = ObservedCall(stage, call_s)
        return replace(entry, turn=turn)

    def _running(self, entry: _Entry) -> BuiltStream:
        runner, replicas = entry.built.runner, entry.proposal.stream.replicas
        if not isinstance(runner, Executor):
            raise TypeError(runner)
        account = entry.proposal.account
        limit = in_flight(replicas, 1, account.period_s, account.latency_s)
        stream = FullStream(runner, replicas, limit, self._settings.clock)
        return BuiltStream(entry.proposal, stream)

    def calls(self, costs: CostTable) -> Iterable[ObservedCall]:
        """What was seen of stages that may still be chosen, in the order in which it was seen."""
        return [call for call in self._calls.values() if _can_run(costs, call.stage)]

    def knows(self, solution: StreamSolution) -> bool:
        """Whether it takes part already, or an engine failed at it, or all its stages were run in
        a stream and cost what they took there."""
        stages = solution.stream.schedule.stages
        if stages in self._failed:
            return True
        if any(each.proposal.stream == solution.stream for each in self._entries):
            return True
        return all(
            stage in self._calls and math.isclose(self._calls[stage].call_s, load.call_s)
            for stage, load in zip(stages, solution.account.stages, strict=True)
        )

    @property
    def runs(self) -> Sequence[StreamRun]:
        """Of the turns that there were."""
        return [entry.turn.run for entry in self._entries if entry.turn is not None]

    def final(
        self, optimum: StreamProposal, costs: CostTable, limits: Sequence[Limit]
    ) -> tuple[_Entry, ...]:
        """The streams to decide between, with their accounts by `costs`: whole replicas that keep
        to the limits, and the fastest by the costs. Raises what was wrong with them where there is
        none."""
        if not self._of(optimum) and optimum.stream.schedule.stages not in self._failed:
            self.enter([optimum])
        best = self._of(optimum)
        wholes = [each for each in self._entries if each.proposal.id != optimum.id]
        same = [each for each in wholes if each in best]
        kept = wholes if same else [*best[:1], *wholes]
        found = []
        for each in kept:
            stream = each.proposal.stream
            if not all(_can_run(costs, stage) for stage in stream.schedule.stages):
                continue  # nodes in it were seen to be wrong elsewhere
            account, also = stream_account(costs, stream), (optimum.id,) if each in same else ()
            proposal = replace(each.proposal, account=account, also=also)
            if keeps_to(proposal, limits):
                found.append(replace(each, proposal=proposal))
        if not found:
            raise self._error or AssertionError("a stream is built or left out")
        return tuple(found)

    def _of(self, proposal: StreamProposal) -> list[_Entry]:
        """Those that are the same stream."""
        return [each for each in self._entries if each.proposal.stream == proposal.stream]

    def compared(self, entries: tuple[_Entry, ...]) -> Compared:
        """By turns where they are timed; the one that is chosen is right at other shapes, too."""
        measurements, feeds = self._measurements, self._measurements.program.feeds
        timed = [(each, each.turn) for each in entries if each.turn is not None]
        found = tuple(predicted(each.proposal) for each in entries if each.turn is None)

        def measure() -> tuple[Contender, ...]:
            running = [self._running(entry) for entry, _ in timed]
            return self._gate(running, [turn for _, turn in timed], feeds)

        known = None
        if timed:
            measured, known = quietest("gate", self._settings, measure, disputed)
            found = (*measured, *found)
        contenders = choose(found, THROUGHPUT)
        built = [
            replace(each.built, proposal=replace(each.proposal.single, id=each.proposal.id))
            for each in entries
        ]
        compared = measurements.compared(contenders, built, self._dropped)
        singles = [each.proposal.single for each in entries]
        return measurements.at_other_shapes(
            replace(compared, circumstances=known), singles, THROUGHPUT, self._tolerance
        )


def _can_run(costs: CostTable, stage: Stage) -> bool:
    return all(stage.device in costs.node_named[name].run_s for name in stage.nodes)


def whole_replicas(
    measurements: Measurements,
    expanded: ExpandedGraph,
    tolerance: float | None,
    restrict: Restrict,
) -> StreamRun | None:
    """What the fastest replicas of the whole model did in a turn; None where no device that is
    real may run all of it, or none does so rightly."""
    costs = synthetic_costs(expanded, lambda candidates: candidates[0])
    field = _Field(measurements, tolerance, timed=True)
    field.enter(replicas_of_all(restrict(_with_all_cores(costs))))
    return min(field.runs, key=lambda run: run.period_s, default=None)


def _refuse_batches(costs: CostTable) -> None:
    """A plan has programs for the shapes that it was compiled for."""
    for index, device in enumerate(costs.machine.devices):
        if device.batch > 1:
            raise CostTableError(
                f"its costs are for {device.batch} inputs in a call, and a plan runs one",
                where=f"devices[{index}].batch",
                fix="give costs of single inputs; or compile for the shape of such a batch",
            )


def _with_all_cores(costs: CostTable) -> CostTable:
    """Devices on the CPU compete for all the CPUs that there are."""
    resources = tuple(
        replace(each, units=max(each.units, usable_cpus())) if each.name == backends.CPU else each
        for each in costs.machine.resources
    )
    return replace(costs, machine=replace(costs.machine, resources=resources))


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


def _certificate(solution: StreamSolution) -> Certificate:
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

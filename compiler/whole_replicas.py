"""What whole replicas of a program do in a turn: one device after the other, no two at once.

    a      prepared   runs   a turn                    the fastest before: it has the first turn
    b      prepared   runs: even by itself it is too slow
    c      not prepared: with fewer inputs a call took too long already
    a      prepared   its outputs are right

So no more memory is taken than by one of them and the reference. This says whether a program is
worth a gate of its own: only outputs of the fastest are held against the reference's here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from stagecut import backends
from stagecut.compiler.effort import STREAM_ROUNDS
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import silent
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.stream import StreamRun, in_flight
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.stream_contenders import StreamProposal, replicas_of_all
from stagecut.passes.gate.stream_gate import BuiltStream, StreamGate, Turn
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.runtime.executor import Executor
from stagecut.runtime.stream.full import FEW, FullStream

#: Replicas that are by this much too slow, each by itself and twice, are too slow in a stream.
_FAR = 1.1


@dataclass(frozen=True, slots=True)
class Replicas:
    """What was seen: the turn of the fastest that is right, None where none was fast enough; and by
    device the seconds from one call to the next, or the least that these can be, where it had no
    turn; `least_s` is what they would be on CPUs that no other work took anything of, at the least.
    Devices that cannot run the whole are left out; those `without_turn` had none."""

    run: StreamRun | None
    period_s: Mapping[str, float]
    least_s: Mapping[str, float]
    without_turn: Collection[str] = ()


def with_all_cores(costs: CostTable) -> CostTable:
    """Devices on the CPU compete for all the CPUs that there are."""
    resources = tuple(
        replace(each, units=max(each.units, usable_cpus())) if each.name == backends.CPU else each
        for each in costs.machine.resources
    )
    return replace(costs, machine=replace(costs.machine, resources=resources))


def proposals_of(expanded: ExpandedGraph, restrict: Restrict) -> Sequence[StreamProposal]:
    """Whole replicas on each device that is real."""
    costs = synthetic_costs(expanded, lambda candidates: candidates[0])
    return [
        proposal
        for proposal in replicas_of_all(restrict(with_all_cores(costs)))
        if proposal.account.basis != "modelled"
    ]


def whole_replicas(
    measurements: Measurements,
    expanded: ExpandedGraph,
    tolerance: float | None,
    restrict: Restrict,
    most_s: float,
    least: int,
    before_s: Mapping[str, float],
) -> Replicas:
    """The fastest that are right, where a call ends every `most_s` seconds or sooner. Each replica
    has to be called `least` times.

    `before_s` are the seconds from one call to the next with fewer inputs in each, by device, where
    they are known. The fastest by these has the first turn, so that others are seen to be too slow
    before they have theirs; and a call of more inputs takes no less time.
    """
    left = sorted(
        proposals_of(expanded, restrict), key=lambda each: before_s.get(each.id.device, inf)
    )
    seen = _Seen()
    while left:
        found = _fastest(measurements, left, most_s, least, before_s, seen)
        if found is None:
            break
        proposal, run = found
        if _is_right(measurements, proposal, tolerance):
            return seen.replicas(run)
        left.remove(proposal)
        seen.forget(proposal.id.device)
    return seen.replicas(None)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of each device so far, as in Replicas."""

    period_s: dict[str, float] = field(default_factory=dict)
    least_s: dict[str, float] = field(default_factory=dict)
    without_turn: set[str] = field(default_factory=set)

    def note(self, device: str, least_s: float, run: StreamRun | None) -> None:
        self.least_s[device] = least_s
        self.period_s[device] = least_s if run is None else run.period_s
        if run is None:
            self.without_turn.add(device)

    def forget(self, device: str) -> None:
        del self.period_s[device], self.least_s[device]

    def replicas(self, run: StreamRun | None) -> Replicas:
        return Replicas(run, self.period_s, self.least_s, self.without_turn)


def _executor_of(measurements: Measurements, proposal: StreamProposal) -> Executor:
    answers = measurements.answers
    return answers.build(answers.staged(proposal.single), answers.outputs)


@dataclass(frozen=True, slots=True)
class ReadyReplicas:
    """Whole replicas that take turns with others. Their engines have run once, as in their first
    run these allocate memory."""

    measurements: Measurements
    proposal: StreamProposal
    executor: Executor

    @classmethod
    def on(
        cls, device: str, measurements: Measurements, proposals: Sequence[StreamProposal]
    ) -> "ReadyReplicas":
        """The proposal for the device. Raises EngineError where it fails, or there is none."""
        for proposal in proposals:
            if proposal.id.device == device:
                executor = _executor_of(measurements, proposal)
                executor.run(measurements.program.feeds)
                return cls(measurements, proposal, executor)
        raise EngineError(f"{device} does not run all of it")

    def turn(self, least: int = FEW) -> Turn:
        return _turn_of(self.measurements, self.proposal, self.executor, least)


def _turn_of(
    measurements: Measurements, proposal: StreamProposal, executor: Executor, least: int
) -> Turn:
    """A turn of a stream whose engines have run before."""
    settings, account = measurements.context.settings, proposal.account
    replicas = proposal.stream.replicas
    limit = in_flight(replicas, (1,) * len(replicas), account.period_s, account.latency_s)
    stream = FullStream(executor, replicas, limit, settings.clock, least)
    gate = StreamGate(settings.clock, settings.cpu_clock, silent, STREAM_ROUNDS[settings.effort])
    return gate.turn(BuiltStream(proposal, stream), measurements.program.feeds)


def _is_right(
    measurements: Measurements, proposal: StreamProposal, tolerance: float | None
) -> bool:
    try:
        return bool(measurements.answers.checked([proposal.single], tolerance).built)
    except EngineError:
        return False


def _fastest(
    measurements: Measurements,
    proposals: Sequence[StreamProposal],
    most_s: float,
    least: int,
    before_s: Mapping[str, float],
    seen: _Seen,
) -> tuple[StreamProposal, StreamRun] | None:
    """Notes what was seen of each device."""
    found = None
    for proposal in proposals:
        device = proposal.id.device
        if before_s.get(device, 0.0) > _FAR * most_s:
            seen.note(device, before_s[device], None)
            continue
        try:
            least_s, run = _tried(measurements, proposal, most_s, least)
        except EngineError:
            continue
        seen.note(device, least_s, run)
        if run is not None and run.period_s <= most_s:
            found, most_s = (proposal, run), run.period_s
    return found


def _tried(
    measurements: Measurements, proposal: StreamProposal, most_s: float, least: int
) -> tuple[float, StreamRun | None]:
    """The least that it can be from one call to the next; and the turn, unless that is too much."""
    executor = _executor_of(measurements, proposal)
    least_s = _least_s(measurements, executor, proposal)
    if least_s > _FAR * most_s:
        return least_s, None
    turn = _turn_of(measurements, proposal, executor, least)
    return turn.least_s(proposal.cores), turn.run


def _least_s(measurements: Measurements, executor: Executor, proposal: StreamProposal) -> float:
    """From one call to the next, if replicas did not disturb each other: by the processor time of a
    run, as other work takes nothing away from that. The first run of an engine takes longer than
    others."""
    cpu_clock, feeds = measurements.context.settings.cpu_clock, measurements.program.feeds
    replicas = sum(proposal.stream.replicas)
    least_s = inf
    for _ in range(2):
        before_s = cpu_clock()
        wall_s = executor.run(feeds)[1].latency_s
        least_s = min(least_s, wall_s / replicas, (cpu_clock() - before_s) / proposal.cores)
    return least_s

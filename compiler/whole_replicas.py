"""What whole replicas of a program do in a turn: one device after the other, no two at once.

    a      prepared   runs   a turn
    b      prepared   runs: even by itself it is too slow
    c      prepared   runs   a turn: the fastest
    c      prepared   its outputs are right

So no more memory is taken than by one of them and the reference. This says whether a program is
worth a gate of its own: only outputs of the fastest are held against the reference's here.
"""

from collections.abc import Sequence
from dataclasses import replace

from stagecut import backends
from stagecut.compiler.effort import STREAM_ROUNDS
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Feeds, silent
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.stream_contenders import StreamProposal, replicas_of_all
from stagecut.passes.gate.stream_gate import BuiltStream, StreamGate
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.runtime.executor import Executor
from stagecut.runtime.stream.full import FullStream
from stagecut.runtime.stream.pipeline import in_flight

#: Replicas that are by this much too slow, each by itself and twice, are too slow in a stream.
_FAR = 1.1


def with_all_cores(costs: CostTable) -> CostTable:
    """Devices on the CPU compete for all the CPUs that there are."""
    resources = tuple(
        replace(each, units=max(each.units, usable_cpus())) if each.name == backends.CPU else each
        for each in costs.machine.resources
    )
    return replace(costs, machine=replace(costs.machine, resources=resources))


def whole_replicas(
    measurements: Measurements,
    expanded: ExpandedGraph,
    tolerance: float | None,
    restrict: Restrict,
    most_s: float,
    least: int,
) -> StreamRun | None:
    """The fastest that are right, where one comes out every `most_s` seconds or sooner; None where
    no device that is real runs all of it so fast. Each replica has to be called `least` times."""
    costs = synthetic_costs(expanded, lambda candidates: candidates[0])
    left = [
        proposal
        for proposal in replicas_of_all(restrict(with_all_cores(costs)))
        if proposal.account.basis != "modelled"
    ]
    while left:
        found = _fastest(measurements, left, most_s, least)
        if found is None:
            return None
        proposal, run = found
        if _is_right(measurements, proposal, tolerance):
            return run
        left.remove(proposal)
    return None


def _is_right(
    measurements: Measurements, proposal: StreamProposal, tolerance: float | None
) -> bool:
    try:
        return bool(measurements.answers.checked([proposal.single], tolerance).built)
    except EngineError:
        return False


def _fastest(
    measurements: Measurements, proposals: Sequence[StreamProposal], most_s: float, least: int
) -> tuple[StreamProposal, StreamRun] | None:
    found = None
    for proposal in proposals:
        try:
            run = _turn(measurements, proposal, most_s, least)
        except EngineError:
            continue
        if run is not None and run.period_s <= most_s:
            found, most_s = (proposal, run), run.period_s
    return found


def _turn(
    measurements: Measurements, proposal: StreamProposal, most_s: float, least: int
) -> StreamRun | None:
    """None where it is seen beforehand that it takes longer than `most_s`."""
    answers, feeds = measurements.answers, measurements.program.feeds
    settings, replicas = measurements.context.settings, proposal.stream.replicas
    executor = answers.build(answers.staged(proposal.single), answers.outputs)
    if not _may_be_as_fast(executor, feeds, most_s * sum(replicas)):
        return None
    account = proposal.account
    limit = in_flight(replicas, 1, account.period_s, account.latency_s)
    stream = FullStream(executor, replicas, limit, settings.clock, least)
    rounds = STREAM_ROUNDS[settings.effort]
    gate = StreamGate(settings.clock, settings.cpu_clock, silent, rounds)
    return gate.first_turn(BuiltStream(proposal, stream), feeds).run


def _may_be_as_fast(executor: Executor, feeds: Feeds, most_s: float) -> bool:
    """Whether a run with the machine to itself takes little enough; the first run of an engine
    takes longer than others, and has another chance."""
    runs = (executor.run(feeds)[1].latency_s for _ in range(2))
    return any(run_s <= _FAR * most_s for run_s in runs)

"""What whole replicas of a program do in a turn: one device after the other, no two at once.

    a      prepared   runs   a turn   its outputs are right      the fastest so far
    b      prepared   runs: even by itself it is too slow
    c      prepared   runs   a turn: slower than a

So no more memory is taken than by one of them and the reference. This says whether a program is
worth a gate of its own: only outputs of the fastest are held against the reference's here.
"""

from dataclasses import replace
from functools import partial

from stagecut import backends
from stagecut.compiler.effort import STREAM_ROUNDS
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import silent
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.build import Build
from stagecut.passes.gate.stream_contenders import StreamProposal, replicas_of_all
from stagecut.passes.gate.stream_gate import BuiltStream, StreamGate
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.runtime.executor import Executor
from stagecut.runtime.stream.full import FullStream
from stagecut.runtime.stream.pipeline import in_flight

#: Replicas that are by this much too slow, each by itself, are too slow in a stream.
_FAR = 1.25


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
    found = None
    for proposal in replicas_of_all(restrict(with_all_cores(costs))):
        if proposal.account.basis == "modelled":
            continue
        try:
            run = _turn(measurements, proposal, tolerance, most_s, least)
        except EngineError:
            continue
        if run is not None:
            found, most_s = run, run.period_s
    return found


def _turn(
    measurements: Measurements,
    proposal: StreamProposal,
    tolerance: float | None,
    most_s: float,
    least: int,
) -> StreamRun | None:
    """None where it is slower, or wrong."""
    answers, feeds = measurements.answers, measurements.program.feeds
    settings, replicas = measurements.context.settings, proposal.stream.replicas
    staged = answers.staged(proposal.single)
    executor = answers.build(staged, answers.outputs)
    if not _may_be_as_fast(executor, measurements, most_s * sum(replicas)):
        return None
    account = proposal.account
    limit = in_flight(replicas, 1, account.period_s, account.latency_s)
    stream = FullStream(executor, replicas, limit, settings.clock, least)
    rounds = STREAM_ROUNDS[settings.effort]
    gate = StreamGate(settings.clock, settings.cpu_clock, silent, rounds)
    run = gate.first_turn(BuiltStream(proposal, stream), feeds).run
    if run.period_s > most_s:
        return None
    check = Build(
        lambda _: staged,
        lambda *_: executor,
        answers.reference,
        partial(answers.limit, tolerance),
        silent,
    )
    return run if check([proposal.single], feeds, answers.outputs).built else None


def _may_be_as_fast(executor: Executor, measurements: Measurements, most_s: float) -> bool:
    """Whether a run with the machine to itself takes little enough; the first run of an engine
    takes longer than others, and has another chance."""
    runs = (executor.run(measurements.program.feeds)[1].latency_s for _ in range(2))
    return any(run_s <= _FAR * most_s for run_s in runs)

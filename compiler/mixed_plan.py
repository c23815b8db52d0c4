"""A stream whose stages differ in how many inputs they take, as two variants of a plan, cut alike.

variant 0    for one input: stages, and how they stream (batches 1, 8, 1); costs and proof of both
variant 1    for eight: the same stages, through which full batches go
"""

from dataclasses import dataclass, replace

from stagecut import backends
from stagecut.compiler.decide_stream import certificate_of
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.formats.plan_members import Members, costs_file, file_prefix, stream_file
from stagecut.compiler.formats.stream_json import write_stream
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.batching import in_batches
from stagecut.compiler.ir.checks import Checks
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.objective import THROUGHPUT
from stagecut.compiler.ir.plan import PlannedNode, PlannedRun, PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.stream import StreamAccount, in_flight, stream_account, stream_of
from stagecut.compiler.ir.stream_certificate import Limit, most_latency_s
from stagecut.compiler.mixed_stream import ReadyMixed, Side
from stagecut.passes.assemble import planned_run
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.gate import choose
from stagecut.passes.gate.stream_contenders import StreamProposal
from stagecut.passes.gate.stream_gate import predicted


@dataclass(frozen=True, slots=True)
class Half:
    """A variant, of this number, as it was planned with as many inputs in all its calls."""

    planned: PlannedVariant
    side: Side
    number: int


@dataclass(frozen=True, slots=True)
class MixedPlan:
    """The two variants, and the members that they name."""

    alone: PlannedVariant
    full: PlannedVariant
    members: Members


def mixed_plan(
    ready: ReadyMixed, alone: Half, full: Half, entry: str, limits: tuple[Limit, ...]
) -> MixedPlan:
    """Of what is `ready`, in the place of what the halves were planned as."""
    members, found = Members(), ready.found
    single = _half(alone, ready.alone, found.table, entry, members)
    several = _half(full, ready.full, full.side.costs, entry, members)
    members.files[costs_file(alone.number, entry)] = write_costs(found.table).encode()
    members.files[costs_file(full.number, entry)] = write_costs(full.side.costs).encode()
    members.files[stream_file(alone.number, entry)] = write_stream(found.solution).encode()
    reason = f"where all stages take as many, streams are {found.gain:.1%} slower by the costs"
    streamed = _streamed(ready.proposal.account, found.batches, limits)
    return MixedPlan(
        replace(
            single,
            contenders=choose((predicted(ready.proposal),), THROUGHPUT),
            certificate=certificate_of(found.solution),
            stream=replace(streamed, reason=reason),
        ),
        _streaming(several, full, ready),
        members,
    )


def _half(
    half: Half, built: Built, costs: CostTable, entry: str, members: Members
) -> PlannedVariant:
    """The variant with the stages that are `built`, by these costs; the programs of these, and of
    its fallback, are members."""
    measurements, planned = half.side.measurements, half.planned
    engines, prefix = measurements.context.backends, file_prefix(half.number, entry)

    def stored(staged: StagedSchedule, proposal: Proposal) -> PlannedRun:
        for program in measurements.answers.stored(staged):
            members.models[f"{prefix}{program.name}.onnx"] = program.model
        graph = measurements.graph
        return planned_run(staged, proposal.account, (), graph, engines, prefix)

    schedule = built.staged.schedule
    run = stored(built.staged, replace(built.proposal, account=account(costs, schedule)))
    plain = _fallback(half, built)
    spare = None
    if plain is not None:
        spare = stored(measurements.answers.staged(plain, "fallback"), plain)
    return replace(
        planned,
        machine=costs.machine,
        nodes=tuple(_node(each, costs) for each in planned.nodes),
        run=run,
        fallback=spare,
        provenance=replace(planned.provenance, devices=measurements.context.specs),
        accuracy=built.accuracy,
        checks=Checks(built.inputs, built.worst) if built.inputs else None,
    )


def _node(planned: PlannedNode, costs: CostTable) -> PlannedNode:
    """With what it takes by these costs; a device for batches refuses what its own does."""
    run_s, devices = costs.node_named[planned.name].run_s, costs.machine.devices
    refusals = {
        batched.name: planned.refusals.get(own.name, "it does not run it in batches")
        for own in devices
        for batched in devices
        if batched.batch > 1
        and batched.name == in_batches(own.name, batched.batch)
        and batched.name not in run_s
    }
    return replace(planned, run_s=run_s, refusals={**refusals, **planned.refusals})


def _fallback(half: Half, built: Built) -> Proposal | None:
    """What runs where engines are missing, if others than ONNX Runtime are needed: what did before,
    or would have."""
    planned, specs = half.planned, half.side.measurements.context.specs
    always = {*backends.always(specs)}
    if {stage.device for stage in built.staged.schedule.stages} <= always:
        return None
    for run in (planned.run, planned.fallback):
        if run is not None and {stage.device for stage in run.schedule.stages} <= always:
            return Proposal(planned.shipped.id, run.schedule, run.account)
    return None


def _streamed(
    costs: StreamAccount, batches: tuple[int, ...], limits: tuple[Limit, ...]
) -> PlannedStream:
    replicas = tuple(load.replicas for load in costs.stages)
    most_s = most_latency_s(limits)
    limit = in_flight(replicas, batches, costs.period_s, costs.latency_s, most_s)
    period_s, latency_s = costs.period_s, costs.latency_s
    return PlannedStream(
        replicas, batches, period_s, latency_s, costs.basis, costs.busy, in_flight=limit
    )


def _streaming(several: PlannedVariant, full: Half, ready: ReadyMixed) -> PlannedVariant:
    """As it would stream by itself, with batches for inputs."""
    costs, replicas = full.side.costs, ready.proposal.stream.replicas
    stream = stream_of(costs, ready.found.stages, replicas)
    proposal = StreamProposal(
        ready.full.proposal.id.plain, ready.full.proposal, stream, stream_account(costs, stream)
    )
    streamed = _streamed(proposal.account, (1,) * len(replicas), ())
    others: list[Contender] = [
        replace(each, chosen=False, trace=None) for each in full.planned.contenders
    ]
    [chosen] = choose((predicted(proposal),), THROUGHPUT)
    return replace(several, contenders=(chosen, *others), stream=streamed)

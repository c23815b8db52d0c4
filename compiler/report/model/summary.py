"""The answer at a glance: how fast, how sure, and how much better than one device alone."""

import math
from collections.abc import Sequence
from statistics import median

from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.hosts_stream import Place
from stagecut.compiler.ir.machine import Machine, combined
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.recorded import Recorded
from stagecut.compiler.ir.stream_trace import StreamObserved
from stagecut.compiler.report.model.alone import alone_of
from stagecut.compiler.report.model.content import (
    Overruled,
    Proof,
    Rival,
    Shipped,
    Streaming,
    Summary,
)
from stagecut.compiler.report.model.figures import Figure, Observation
from stagecut.compiler.report.model.rows import StageRow


def summarize(planned: PlannedVariant, stages: Sequence[StageRow], recorded: Recorded) -> Summary:
    """The plan in a few figures; `stages` are the rows of its stages."""
    account, shipped = planned.account, planned.shipped
    gate, traced = _gate(shipped), _traced(recorded)
    return Summary(
        model=planned.name,
        objective=planned.objective,
        shipped=Shipped(
            kind=shipped.id.kind,
            device=shipped.id.device,
            name=shipped.name,
            is_optimum=shipped.is_optimum,
            single_device=shipped.single_device,
        ),
        observed=traced or gate,
        predicted=_predicted(planned),
        as_built=gate.total if traced and gate else None,
        off_by=_off_by(stages),
        rival=_rival(planned),
        certificate=_proof(planned),
        overruled=_overruled(planned),
        nodes=len(planned.nodes),
        stages=len(stages),
        transfers=sum(1 for _ in planned.schedule.transfers),
        transferred_bytes=sum(cost.size_bytes for cost in account.steps),
        energy_j=account.energy_j or None,
        load_s=math.fsum(stage.load_s for stage in planned.stages),
        profile_paths=len(planned.profile_paths),
        profile_runs=sum(path.runs for path in planned.profile_paths),
        streaming=_streaming(planned, recorded.stream),
    )


def _predicted(planned: PlannedVariant) -> Figure:
    stream = planned.stream
    if stream is None:
        return Figure(planned.account.latency_s, planned.account.basis)
    return Figure(stream.period_s, stream.basis)


def _streaming(planned: PlannedVariant, observed: StreamObserved | None) -> Streaming | None:
    stream = planned.stream
    if stream is None:
        return None
    stages = zip(stream.replicas, planned.schedule.stages, strict=True)
    replicas = tuple((count, stage.device) for count, stage in stages)
    alone = tuple((Place(device, count),) for count, device in replicas)
    return Streaming(
        replicas,
        stream.batches,
        Figure(stream.full_latency_s(_period_s(planned, stream)), stream.basis),
        stream.busy,
        stream.reason,
        stream.another,
        stream.front,
        stream.hosting,
        stream.tried,
        stream.most_in_flight,
        stream.measured,
        stream.candidates,
        stream.places or alone,
        stream.loads,
        observed,
        _loaded_factors(planned.machine, stream.places),
    )


def _loaded_factors(
    machine: Machine, places: Sequence[Sequence[Place]]
) -> tuple[tuple[str, float], ...]:
    """Of the hosts that work, where there are several."""
    working = {machine.host_of(place.device) for stage in places for place in stage}
    hosts = [each for each in machine.hosts if each.name in working]
    return tuple((each.name, each.loaded_factor) for each in hosts) if len(working) > 1 else ()


def _period_s(planned: PlannedVariant, stream: PlannedStream) -> float:
    """As it was observed, or else by the costs."""
    shipped = planned.shipped
    return shipped.median_s if shipped.accounting == "measured" else stream.period_s


def _traced(recorded: Recorded) -> Observation | None:
    run, stream = recorded.run, recorded.stream
    if stream is not None:
        period = Figure(stream.period_s, "measured")
        return Observation(period, "stream", stream.period_s, stream.period_s, runs=stream.outputs)
    if run is None:
        return None
    total_s = run.latency_s
    return Observation(Figure(total_s, run.basis), "trace", total_s, total_s, runs=1)


def _gate(contender: Contender) -> Observation | None:
    """What the gate measured for a contender, if it ran it."""
    if contender.accounting != "measured":
        return None
    return Observation(
        Figure(contender.median_s, contender.basis),
        "gate",
        contender.min_s,
        contender.max_s,
        contender.runs,
        contender.low_s,
        contender.high_s,
    )


def _off_by(stages: Sequence[StageRow]) -> float | None:
    errors = [
        abs(stage.observed.time_s / stage.foretold.time_s - 1)
        for stage in stages
        if stage.observed and stage.observed.basis == "measured" and stage.foretold.time_s
    ]
    return median(errors) if errors else None


def _proof(planned: PlannedVariant) -> Proof:
    certificate = planned.certificate
    return Proof(
        method=certificate.method,
        total=certificate.total,
        lower_bound=certificate.lower_bound,
        gap=certificate.gap,
        exact=certificate.exact,
        scope=certificate.scope,
        claim=certificate.claim,
        width=certificate.width,
    )


def _overruled(planned: PlannedVariant) -> Overruled | None:
    """The optimum of the costs, where another plan ships; without an observation where the gate did
    not run it, as when an engine failed to."""
    if planned.shipped.is_optimum:
        return None
    optimum = next((each for each in planned.contenders if each.is_optimum), None)
    if optimum is not None:
        predicted = Figure(optimum.predicted_s, optimum.basis)
        return Overruled(predicted, _gate(optimum), optimum.energy_j)
    if planned.objective != str(LATENCY):
        return Overruled(None, None, None)
    basis = combined(device.basis for device in planned.machine.devices)
    return Overruled(Figure(planned.certificate.total, basis), None, None)


def _rival(planned: PlannedVariant) -> Rival | None:
    """The best of the contenders that are one device alone, and not this plan, and that took turns
    with it."""
    shipped = planned.shipped
    singles = [
        each
        for each in planned.contenders
        if each.single_device is not None
        and not each.chosen
        and not each.other_turns
        and each.accounting == shipped.accounting
    ]
    if not singles or shipped.median_s <= 0:
        return None
    best = min(singles, key=lambda contender: contender.median_s)
    return Rival(best.name, alone_of(best), best.median_s / shipped.median_s)

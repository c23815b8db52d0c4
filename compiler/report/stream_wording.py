"""What a report says of streams: where they run, what sets the rate, what to choose from."""

from collections.abc import Sequence

from stagecut.compiler.ir.hosts_stream import Place
from stagecut.compiler.ir.plan import OverLink
from stagecut.compiler.ir.planned_stream import FrontPoint
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.units import enough, seconds
from stagecut.compiler.report.model.content import Streaming, Summary
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.wording import brief, count, rate, time

#: A factor that is no less than a percent.
_LEAST_SAID = 1.005


def lines(summary: Summary) -> tuple[str, ...]:
    """All that is said of a stream, in this order; nothing of a plan for single runs."""
    parts = (streaming, bottleneck, together, reason, front, measured_stages, batches)
    return tuple(filter(None, (part(summary) for part in parts)))


def streaming(summary: Summary) -> str:
    """How inputs stream through the plan: `streams through 2 × cpu.serial; an input takes 13 ms
    with 3 in flight`."""
    stream = summary.streaming
    if stream is None:
        return ""
    stages = " → ".join(map(_places, stream.places))
    latency = f"{time(stream.latency)} with {stream.in_flight} in flight"
    where = "" if stream.hosting == "threads" else f" in {stream.hosting}"
    through = f"{stages}{where}{_batches(stream)}"
    return f"streams through {through}; an input takes {latency}{_observed(stream)}"


def _batches(stream: Streaming) -> str:
    """`, up to 8 inputs in a call`, or `, 1 → 8 inputs in a call` where stages differ."""
    sizes = {*stream.batches}
    if len(sizes) > 1:
        return f", {' → '.join(map(str, stream.batches))} inputs in a call"
    most = max(sizes, default=1)
    return f", up to {most} inputs in a call" if most > 1 else ""


def _observed(stream: Streaming) -> str:
    """Of a stream that was traced."""
    found = stream.observed
    if found is None:
        return ""
    took = f"observed: {seconds(found.p50_s)} in the median, {seconds(found.p99_s)} for 99 of 100"
    return f"; {took}, {brief(found.bottleneck)} the busiest"


def bottleneck(summary: Summary) -> str:
    """What sets the rate, a stage, a link or the driver; how busy the others are, and what another
    core would buy."""
    stream = summary.streaming
    if stream is None:
        return ""
    busy = ""
    loads = [(f"stage {stage}", share) for stage, share in enumerate(stream.busy)]
    loads += [(load.name, load.busy) for load in stream.loads]
    if len(loads) > 1:
        first = max(range(len(loads)), key=lambda at: loads[at][1])
        others = ", ".join(
            f"{name} {share:.0%}" for at, (name, share) in enumerate(loads) if at != first
        )
        is_stage = first < len(stream.places)
        on = f" on {_places(stream.places[first], counted=False)}" if is_stage else ""
        busy = f"{loads[first][0]}{on} sets the rate; busy: {others}"
    more = "" if stream.another is None else f"with another core {trade(stream.another)}"
    said = "; ".join(filter(None, (busy, more)))
    return said and f"by the costs, {said}"


def together(summary: Summary) -> str:
    """What hosts lose to each other by the costs, where some do: those of one machine share it."""
    factors = () if summary.streaming is None else summary.streaming.loaded_factors
    slower = [f"{each - 1:.0%} on {name}" for name, each in factors if each >= _LEAST_SAID]
    if not slower:
        return ""
    return f"while all hosts work, nodes take longer: by {', '.join(slower)}"


def _places(places: Sequence[Place], *, counted: bool = True) -> str:
    """`2 × cpu.serial + 2 × b.cpu.serial`."""
    return " + ".join(
        f"{each.replicas} × {brief(each.device)}" if counted else brief(each.device)
        for each in places
    )


def reason(summary: Summary) -> str:
    """Why a pipeline, or replicas, let more through than what else took part, as far as it was
    shown."""
    return "" if summary.streaming is None else summary.streaming.reason


def trade(point: FrontPoint) -> str:
    """`120 inputs/s, 8.3 ms each: 1 × cpu.parallel`."""
    period, latency = (Figure(each, point.basis) for each in (point.period_s, point.latency_s))
    return f"{rate(period)}, {time(latency)} each: {point.stages}"


def front(summary: Summary) -> str:
    """Streams that are slower and sooner done, by the costs."""
    stream = summary.streaming
    if stream is None or not stream.front:
        return ""
    found = (f"{trade(each)} ({sooner(each)})" for each in stream.front[:3])
    return f"sooner done, by the costs: {'; '.join(found)}"


def sooner(point: FrontPoint) -> str:
    """The option with which a compile makes it a plan."""
    return f"--max-latency {enough(point.latency_s)}"


def measured_stages(summary: Summary) -> str:
    """How much of what might have been chosen was run in a stream."""
    stream = summary.streaming
    if stream is None or not stream.candidates:
        return ""
    candidates = count(stream.candidates, "stage")
    return f"measured in a stream: {stream.measured} of the {candidates} that may be chosen"


def batches(summary: Summary) -> str:
    """What several inputs in one call were seen to do, before any gate."""
    stream = summary.streaming
    return "" if stream is None or not stream.tried else f"tried: {'; '.join(stream.tried)}"


def over_links(found: Sequence[OverLink], proof: Certificate | None) -> str:
    """What hosts no longer hand to each other as it is, and what more of that might bring."""
    said = []
    for each in found:
        how = "is run again there" if each.how == "run again" else f"goes there as {each.how}"
        off = f", off by {each.error:.1g}" if each.error else ""
        gain = f"{seconds(each.taken_s)} expected instead of {seconds(each.sent_s)}"
        said.append(f"{brief(each.value)} {how} ({gain}{off})")
    if proof is not None:
        said.append(proof.claim)
    return f"between hosts: {'; '.join(said)}" if said else ""

"""The words and marks that every rendering of a report shares."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from stagecut.compiler.ir.checks import Checks
from stagecut.compiler.ir.hosts_stream import Place
from stagecut.compiler.ir.machine import Basis, Route
from stagecut.compiler.ir.plan import OverLink
from stagecut.compiler.ir.planned_stream import FrontPoint
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.precision import ErrorPoint, PlannedPrecision
from stagecut.compiler.ir.provenance import Circumstances
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.text import printable, size_text
from stagecut.compiler.ir.units import scaled, seconds, size
from stagecut.compiler.report.model.content import Share, Streaming, Summary
from stagecut.compiler.report.model.figures import Alone, Figure
from stagecut.compiler.report.model.rows import (
    ContenderRow,
    DeviceRow,
    Option,
    Others,
    OutputRow,
    StageRow,
    TransferRow,
)

#: Stands after every time that was computed from a device's model.
MODELLED = "~"
LEGEND = f"{MODELLED} modelled, not measured"

#: So many inputs are shown with their shapes.
_PORTS = 3


def time(figure: Figure | None) -> str:
    """`12.3 ms`, or `12.3 ms~` when it is modelled; nothing where there is no figure."""
    if figure is None:
        return ""
    return seconds(figure.time_s) + (MODELLED if figure.basis == "modelled" else "")


def rate(period: Figure) -> str:
    """`153 inputs/s`, of the time from one input to the next."""
    if not period.time_s:
        return "any number of inputs/s"
    mark = MODELLED if period.basis == "modelled" else ""
    each_s = 1 / period.time_s
    return f"{each_s:,.0f} inputs/s{mark}" if each_s >= 100 else f"{each_s:.3g} inputs/s{mark}"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def count(number: int, thing: str) -> str:
    """`1 transfer`, `12,000 nodes`."""
    return f"1 {thing}" if number == 1 else f"{number:,} {thing}s"


def shorten(name: str, width: int) -> str:
    """At most `width` characters of a name, the middle left out, without control characters."""
    plain = printable(name)
    if len(plain) <= width:
        return plain
    head = (width - 1) // 3  # what tells names apart mostly stands at their end
    return f"{plain[:head]}…{plain[head + 1 - width :]}"


def brief(name: str) -> str:
    """The name of a device, memory or plan, as it stands within a sentence."""
    return shorten(name, 48)  # the longest of our own: a device with all that it may be told


def difference(predicted: Figure, observed: Figure) -> str:
    """How far the prediction was off: `+3.0 %` when the run took longer."""
    if predicted.time_s == 0:
        return ""
    return f"{100 * (observed.time_s / predicted.time_s - 1):+.1f} %".replace("-", "−")


def sentence(text: str) -> str:
    """The text with a capital at its beginning and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:]}."


def off_by(stage: StageRow) -> str:
    """The same for a stage; a modelled stage is not compared, as only its model has run."""
    if stage.observed is None or stage.observed.basis == "modelled":
        return ""
    return difference(stage.foretold, stage.observed)


def between(low_s: float, high_s: float, basis: Basis) -> str:
    """`1.10 .. 1.13 ms~`; with both units where they differ."""
    low, high = seconds(low_s), time(Figure(high_s, basis))
    number, unit = low.rsplit(" ", 1)
    same = high.removesuffix(MODELLED).endswith(f" {unit}")
    return f"{number if same else time(Figure(low_s, basis))} .. {high}"


def accuracy(outputs: Sequence[OutputRow]) -> str:
    """How far the output that is furthest off, the first, is from that of the whole model."""
    if not outputs:
        return ""
    worst = outputs[0]
    if worst.relative is None:
        return f"{brief(worst.name)} is no number where that of the whole model is one"
    if worst.max_abs == 0:
        return "outputs are those of the whole model, bit for bit"
    return f"{brief(worst.name)} is off by {relative(worst)} of its largest number at the most"


def checks(made: Checks | None) -> str:
    """On which inputs outputs were checked, and how far off they were at the worst."""
    if made is None:
        return ""
    *others, last = made.inputs
    named = f"{', '.join(others)} and {last}" if others else last
    worst = "" if not made.worst else f": off by {100 * made.worst:.2g} % at the worst"
    return f"right on {named}{worst}"


def precision(planned: PlannedPrecision | None, shipped: str) -> tuple[str, ...]:
    """What lower precision does to the plan that ships: what was predicted beside what was
    measured; and how far the sum of squares was off, of every plan whose error was measured."""
    if planned is None:
        return ()
    own = planned.of(shipped)
    lines = []
    if planned.reference:
        lines.append(
            f"held against {brief(planned.reference)}, from which the model itself is off by "
            f"{percent_of(planned.own)} (rms)"
        )
    if own is not None and own.metric is not None and planned.right is not None:
        lines.append(
            f"{brief(planned.metric)} is {own.metric:.4g} on "
            f"{count(planned.held_out, 'held-out sample')}, {planned.right:.4g} in full precision; "
            f"it may lose {planned.tolerance:.4g}"
        )
    if own is not None and own.measured is not None:
        allowed = "" if planned.metric else f"; {percent_of(planned.tolerance)} allowed"
        lines.append(
            f"error {percent_of(own.measured)} "
            f"(rms on {count(planned.held_out, 'held-out sample')}), "
            f"{percent_of(own.predicted)} predicted{allowed}"
        )
    both = [
        (each.predicted / each.measured, each.name)
        for each in planned.contenders
        if each.measured and each.predicted
    ]
    if both:
        (least, low), (most, high) = min(both), max(both)
        lines.append(
            f"predicted errors are {least:.2f} ({brief(low)}) to {most:.2f} ({brief(high)}) times "
            f"those measured, by {count(planned.runs, 'run')} of the whole model"
        )
    if len(planned.attempts) > 1:
        tried = ", ".join(
            percent_of(each.measured) for each in planned.attempts if each.measured is not None
        )
        lines.append(f"solved {len(planned.attempts)} times under other budgets: {tried}")
    return tuple(lines)


def error_front(planned: PlannedPrecision | None) -> str:
    """What less error costs, by the costs."""
    if planned is None or not planned.front:
        return ""
    told = (
        f"{percent_of(point.error)} off in {time(Figure(point.run_s, point.basis))} "
        f"({nodes_on(point)})"
        for point in planned.front
    )
    return f"to choose from, by the costs: {'; '.join(told)}"


def nodes_by_device(counts: Mapping[str, int]) -> str:
    """`60 nodes on cpu.serial, 2 nodes on pim`."""
    return ", ".join(
        f"{count(number, 'node')} on {brief(device)}" for device, number in counts.items()
    )


def nodes_on(point: ErrorPoint) -> str:
    """`60 nodes on cpu.int8.serial, 2 on cpu.serial`."""
    (first, most), *others = point.devices.items()
    more = (f", {number} on {brief(device)}" for device, number in others)
    return f"{count(most, 'node')} on {brief(first)}{''.join(more)}"


def percent_of(part: float) -> str:
    """`1.2 %`, with two digits however small it is."""
    return f"{100 * part:.2g} %"


def measured(known: Circumstances) -> str:
    """`gate measured 2026-11-26 01:03 UTC, in a noisy moment: other work took 34% of the CPUs`."""
    time = datetime.fromtimestamp(known.measured_at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    noisy = f", in a noisy moment: {shorten(known.noise, 240)}" if known.noise else ""
    return f"{brief(known.what)} measured {time}{noisy}"


def relative(output: OutputRow) -> str:
    """`0.012 %`: the largest difference as a part of the largest number."""
    return "unbounded" if output.relative is None else f"{100 * output.relative:.2g} %"


def interval(contender: ContenderRow) -> str:
    """Where the contender's true median lies, with 95 % confidence; nothing where it never ran."""
    if not contender.runs:
        return ""
    return between(contender.low_s, contender.high_s, contender.basis)


def remark(contender: ContenderRow) -> str:
    """Why the contender ships or does not, what else it is, and what is odd about its runs."""
    also = f"the same as {', '.join(map(brief, contender.also))}" if contender.also else ""
    return "; ".join(filter(None, (contender.why, contender.elsewhere, also, contender.noise)))


def alone(found: Alone) -> str:
    """`1.72 ms, predicted`: what the whole model takes on one device."""
    return f"{time(found.total)}, {found.source}"


def route(text: str) -> str:
    """`host>pim` -> `host → pim`."""
    return " → ".join(map(brief, Route.parse(text)))


def way(transfers: Sequence[TransferRow]) -> str:
    """`64.0 KiB, 30.1 µs~`: all transfers of a value along an edge, added up."""
    if not transfers:
        return ""
    total = Figure.total(hop.predicted for hop in transfers)
    relays = [brief(hop.target) for hop in transfers[:-1]]
    via = f" via {', '.join(relays)}" if relays else ""
    return f"{size(transfers[0].size_bytes)}, {time(total)}{via}"


def part(share: Share) -> str:
    """`cpu.serial`, or `transfers host → pim`."""
    return f"transfers {route(share.name)}" if share.kind == "transfer" else brief(share.name)


def speed(device: DeviceRow) -> str:
    """What a device achieves on its nodes: `250 GFLOP/s`; nothing where no FLOP is known."""
    if not device.flops or not device.run.time_s:
        return ""
    mark = MODELLED if device.basis == "modelled" else ""
    return scaled(device.flops / device.run.time_s, "FLOP/s") + mark


def energy(summary: Summary) -> str:
    """The energy of a run, where it is known. Nothing here measures energy."""
    return joules(summary.energy_j)


def joules(energy_j: float | None) -> str:
    """`2.50 mJ~`; nothing where it is not known."""
    return "" if energy_j is None else scaled(energy_j, "J") + MODELLED


def loading(summary: Summary) -> str:
    """What is paid once, where anything is."""
    if not summary.load_s:
        return ""
    return f"weights loaded once, in {seconds(summary.load_s)}{MODELLED}, before the first run"


def extent(summary: Summary) -> str:
    """How large the plan is."""
    nodes, stages = count(summary.nodes, "node"), count(summary.stages, "stage")
    if not summary.transfers:
        return f"{nodes} in {stages}, no transfers"
    transfers = count(summary.transfers, "transfer")
    return f"{nodes} in {stages}, {transfers} ({size(summary.transferred_bytes)})"


def streaming(summary: Summary) -> str:
    """How inputs stream through the plan: `streams through 2 × cpu.serial; an input takes 13 ms
    with 3 in flight`."""
    stream = summary.streaming
    if stream is None:
        return ""
    stages = " → ".join(map(_places, stream.places))
    batch = f", up to {stream.batch} inputs in a call" if stream.batch > 1 else ""
    latency = f"{time(stream.latency)} with {stream.in_flight} in flight"
    where = "" if stream.hosting == "threads" else f" in {stream.hosting}"
    return f"streams through {stages}{where}{batch}; an input takes {latency}{_observed(stream)}"


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
    return f"sooner done, by the costs: {'; '.join(map(trade, stream.front[:3]))}"


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


def profiling(summary: Summary) -> str:
    """What the costs rest on."""
    if not summary.profile_paths:
        return "nothing was profiled"
    paths, runs = count(summary.profile_paths, "path"), count(summary.profile_runs, "run")
    return f"costs from {paths}, {runs} in all"


def shapes(inputs: Sequence[Port]) -> str:
    """What the figures hold for, and which other shapes the plan runs at."""
    if not inputs:
        return ""
    shown = ", ".join(f"{brief(port.name)} {size_text(port.shape)}" for port in inputs[:_PORTS])
    more = f" and {len(inputs) - _PORTS} more" if len(inputs) > _PORTS else ""
    if not any(port.dims for port in inputs):
        return f"at {shown}{more}, the model's only shape"
    return f"profiled at {shown}{more}; other shapes run, too"


def others(variants: Sequence[str]) -> str:
    """Which other variants the plan has, and how to see them."""
    if not variants:
        return ""
    shown = "; ".join(shorten(each, 80) for each in variants[:_PORTS])
    more = f"; and {len(variants) - _PORTS} more" if len(variants) > _PORTS else ""
    return f"{count(len(variants), 'other variant')}, for {shown}{more}: see --shape"


def added(option: Option) -> str:
    """The added time of the plan if the node ran here."""
    if option.extra_s is None:
        return ""
    if option.extra_s == 0:
        return "nothing"
    return f"{'+' if option.extra_s > 0 else '−'}{seconds(abs(option.extra_s))}"


#: How a report names what becomes of all other nodes when one runs elsewhere.
_OTHERS: Mapping[Others, str] = {
    "stay": "left where they are",
    "best": "wherever is then best",
    "best in the graph's order": "wherever is then best, in the graph's order",
}


def premise(options: Iterable[Option]) -> str:
    """What is thought to become of all other nodes when one runs elsewhere."""
    known = dict.fromkeys(option.others for option in options if option.extra_s is not None)
    ranked = sorted(known, key="stay".__eq__)  # what is known of few stands last
    texts = [_OTHERS[others] for others in ranked] or [_OTHERS["stay"]]
    return "with all other nodes " + "; or, where that is not known, ".join(texts)


def flips(option: Option) -> str:
    """How much faster the device would have to run a node to be given it."""
    factor = option.flips_at
    if factor is None:
        return "never: getting there costs more"
    if option.extra_s is not None and option.extra_s < 0:
        return "better, by the costs alone"
    if option.doubtful:
        return "as good: within the noise"
    if factor <= 1:
        return "just as good"
    return f"{100 * (factor - 1):.2g} % too slow" if factor < 1.9 else f"{factor:.3g} × too slow"


def why(option: Option, device: str) -> str:
    """Why a node that runs on `device` does, or does not, run here."""
    return "runs here" if option.device == device else option.reason or flips(option)

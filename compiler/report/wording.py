"""The words and marks that every rendering of a report shares."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from stagecut.compiler.ir.checks import Checks
from stagecut.compiler.ir.machine import Basis, Route
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.provenance import Circumstances
from stagecut.compiler.ir.text import printable, size_text
from stagecut.compiler.ir.units import scaled, seconds, size
from stagecut.compiler.report.model.content import Share, Summary
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

#: So many signs of noise are told.
_SIGNS = 2


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


def utilisation(row: StageRow) -> str:
    return "" if row.utilisation is None else percent(row.utilisation)


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


def nodes_by_device(counts: Mapping[str, int]) -> str:
    """`60 nodes on cpu.serial, 2 nodes on pim`."""
    return ", ".join(
        f"{count(number, 'node')} on {brief(device)}" for device, number in counts.items()
    )


def proven(gap: float) -> str:
    """Of the optimum of the costs: `optimal`, or the part that might still be saved."""
    return f"within {percent_of(gap)}" if gap > 0 else "optimal"


def percent_of(part: float) -> str:
    """`1.2 %`, with two digits however small it is."""
    return f"{100 * part:.2g} %"


def measured(known: Circumstances) -> str:
    """`gate measured 2026-11-26 01:03 UTC, in a noisy moment: other work took 34% of the CPUs`."""
    time = datetime.fromtimestamp(known.measured_at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    noisy = f", in a noisy moment: {_noise(known.noise)}" if known.noise else ""
    return f"{brief(known.what)} measured {time}{noisy}"


def _noise(noise: str) -> str:
    """The first of its signs, and how many there are besides."""
    signs = noise.split("; ")
    more = len(signs) - _SIGNS
    told = "; ".join(shorten(sign, 120) for sign in signs[:_SIGNS])
    return f"{told}; and {count(more, 'further sign')} of it" if more > 0 else told


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

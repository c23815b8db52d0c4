"""The words and marks that every rendering of a report shares."""

from collections.abc import Iterable, Sequence

from stagecut.compiler.ir.plan import Contender, Port
from stagecut.compiler.ir.units import scaled, seconds, size
from stagecut.compiler.report.model.content import (
    DeviceRow,
    Figure,
    Observation,
    Option,
    OutputRow,
    Report,
    Share,
    StageRow,
    Summary,
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


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def count(number: int, thing: str) -> str:
    """`1 copy`, `2 copies`, `12,000 nodes`."""
    if number == 1:
        return f"1 {thing}"
    return f"{number:,} {thing[:-1]}ies" if thing.endswith("y") else f"{number:,} {thing}s"


def shorten(name: str, width: int) -> str:
    """At most `width` characters of a name, the middle left out, none that steers a terminal."""
    plain = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    if len(plain) <= width:
        return plain
    head = (width - 1) // 3  # what tells names apart mostly stands at their end
    return f"{plain[:head]}…{plain[head + 1 - width :]}"


def brief(name: str) -> str:
    """The name of a device or memory, as it stands within a sentence."""
    return shorten(name, 32)


def difference(predicted: Figure, observed: Figure) -> str:
    """How far the prediction was off: `+3.0 %` when the run took longer."""
    if predicted.time_s == 0:
        return ""
    return f"{100 * (observed.time_s / predicted.time_s - 1):+.1f} %".replace("-", "−")


def off_by(stage: StageRow) -> str:
    """The same for a stage; a modelled stage is not compared, as only its model has run."""
    if stage.observed is None or stage.observed.basis == "modelled":
        return ""
    return difference(stage.predicted, stage.observed)


def observation(observed: Observation) -> str:
    """Where an observed total comes from."""
    if observed.source == "trace":
        return "one traced run"
    least, most = seconds(observed.min_s), seconds(observed.max_s)
    return f"median of {count(observed.runs, 'run')}, {least} to {most}"


def observed(summary: Summary) -> str:
    """The same, after how far the prediction was off; nothing where nothing was observed."""
    if summary.observed is None:
        return ""
    off = difference(summary.predicted, summary.observed.total)
    return ", ".join(filter(None, (off, observation(summary.observed))))


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


def relative(output: OutputRow) -> str:
    """`0.012 %`: the largest difference as a part of the largest number."""
    return "unbounded" if output.relative is None else f"{100 * output.relative:.2g} %"


def interval(contender: Contender) -> str:
    """Where the contender's true median lies, with 95 % confidence; nothing where it never ran."""
    ends = (contender.low_s, contender.high_s) if contender.runs else ()
    return " .. ".join(time(Figure(end_s, contender.basis)) for end_s in ends)


def remark(contender: Contender) -> str:
    """Why the contender ships or does not, and what is odd about its runs."""
    return "; ".join(filter(None, (contender.why, contender.unrest)))


def rivalry(report: Report) -> str:
    """How the plan compares with the best single device."""
    summary, rival = report.summary, report.summary.rival
    if rival is None:
        return "no device alone can run it" if report.contenders else "compared with no other plan"
    if summary.method == rival.device:
        return f"everything on {brief(rival.device)}, as no split is faster"
    alone = time(rival.total)
    device = brief(rival.device)
    return f"{rival.ratio:.2f} × as fast as the best single device, {device} ({alone})"


def proof(summary: Summary) -> str:
    """What the certificate says, or why the gate shipped another plan."""
    overruled, found = summary.overruled, summary.proof
    if overruled is not None:
        predicted, observed = time(overruled.predicted), time(overruled.observed)
        return f"the optimum of the costs, {predicted}, took {observed} when it was run"
    if not found.exact:
        return f"not proven optimal: at most {percent(found.gap)} might still be saved"
    return "proven optimal: no other assignment costs less"


def route(link: str) -> str:
    """`host>pim` -> `host → pim`."""
    return " → ".join(map(brief, link.split(">")))


def part(share: Share) -> str:
    """`cpu.serial`, or `copies host → pim`."""
    return f"copies {route(share.name)}" if share.kind == "copy" else brief(share.name)


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
    moved = f"{count(summary.copies, 'copy')} ({size(summary.copied_bytes)})"
    nodes, stages = count(summary.nodes, "node"), count(summary.stages, "stage")
    return f"{nodes} in {stages}, {moved if summary.copies else 'nothing copied'}"


def profiling(summary: Summary) -> str:
    """What the costs rest on."""
    if not summary.profile_paths:
        return "nothing was profiled"
    paths, runs = count(summary.profile_paths, "path"), count(summary.profile_runs, "run")
    return f"costs from {paths} through the model, {runs} in all"


def shapes(inputs: Sequence[Port]) -> str:
    """What the figures hold for, and which other shapes the plan runs at."""
    if not inputs:
        return ""
    shown = ", ".join(f"{brief(port.name)} {_dims(port.shape)}" for port in inputs[:_PORTS])
    more = f" and {len(inputs) - _PORTS} more" if len(inputs) > _PORTS else ""
    if not any(port.dims for port in inputs):
        return f"at {shown}{more}, the model's only shape"
    return f"profiled at {shown}{more}; other shapes run, too"


def _dims(dims: Sequence[int]) -> str:
    return "x".join(map(str, dims)) if dims else "scalar"


def added(option: Option) -> str:
    """What the plan would gain in time if the node ran here."""
    if option.extra_s is None:
        return ""
    if option.extra_s == 0:
        return "nothing"
    return f"{'+' if option.extra_s > 0 else '−'}{seconds(abs(option.extra_s))}"


def premise(options: Iterable[Option]) -> str:
    """What is thought to become of all other nodes when one moves."""
    if any(option.rearranged for option in options):
        return "with all other nodes wherever is then best"
    return "with all other nodes left where they are"


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

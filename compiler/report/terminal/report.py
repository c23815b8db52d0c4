"""A report in the terminal: the answer on one screen, then tables cut to what matters most.

Colour and width are those of the console, so that NO_COLOR, pipes and narrow windows are heeded.
"""

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.text import printable, suggestion
from stagecut.compiler.ir.units import size
from stagecut.compiler.report import headline, precision_wording, stream_wording, wording
from stagecut.compiler.report.model.content import Report, Share
from stagecut.compiler.report.model.rows import NodeRow
from stagecut.compiler.report.terminal.grid import LEFT, RIGHT, label, plain
from stagecut.compiler.report.terminal.tables import Tables

#: Rows of a table before it is cut.
_FEW = 10

#: Lines of a screen on which the summary fits, and of them those around the rows of its table.
_SCREEN = 24
_AROUND = 4
_CLOSEST = 3


def print_report(report: Report, console: Console) -> None:
    """The summary, then every table, long ones cut to their head."""
    print_summary(report, console)
    print_stages(report, console, most=_FEW)
    print_contenders(report, console)
    print_transfers(report, console, most=_FEW)
    print_nodes(report, console, most=_FEW)
    for workaround in report.workarounds:
        console.print(plain(f"worked around: {wording.shorten(workaround, 240)}"))


def print_summary(report: Report, console: Console) -> None:
    """How fast, how sure, where the time goes and what would change it, on one screen."""
    shares = (_bars(report, console), Text()) if report.shares else ()
    console.print(*_entries(report, console), end="")
    told = Group(_headline(report), *_facts(report), Text(), *shares)
    legend = (plain(wording.LEGEND, "dim"), Text()) if _has_modelled(report) else ()
    console.print(told)
    if report.close_calls:
        room = _SCREEN - len(console.render_lines(told)) - _AROUND - len(legend)
        closest = report.close_calls[: max(1, min(_CLOSEST, room))]
        console.print(_tables(report, console).calls(closest))
    for line in legend:
        console.print(line)


def _entries(report: Report, console: Console) -> Iterator[RenderableType]:
    """Of a decoder: what each entry takes, then which one all else is about."""
    if report.entries:
        yield _tables(report, console).entries(report.entries)


def _facts(report: Report) -> Iterator[Padding]:
    summary = report.summary
    energy = wording.energy(summary)
    besides = (f"{energy} a run" if energy else "", wording.loading(summary))
    lines = (
        *stream_wording.lines(summary),
        stream_wording.over_links(report.over_links, report.rewrites),
        headline.optimum(summary),
        headline.rivalry(report),
        wording.extent(summary),
        wording.profiling(summary),
        wording.shapes(report.inputs) if any(port.dims for port in report.inputs) else "",
        wording.others(report.other_variants),
        "; ".join(filter(None, besides)),
        wording.accuracy(report.accuracy),
        wording.checks(report.checks),
        *precision_wording.precision(report.precision, summary.shipped.name),
        precision_wording.none_pays(report.precision, report.contenders),
        precision_wording.error_front(report.precision),
        precision_wording.weights(report.weights),
        "; ".join(map(wording.measured, report.circumstances)),
    )
    for line in filter(None, lines):
        yield Padding(plain(line), (0, 0, 0, 2))


def print_stages(report: Report, console: Console, most: int | None = None) -> None:
    """The stages in the order in which they run."""
    if report.stages:
        console.print(_tables(report, console).stages(report.stages[:most]))
        _print_rest(console, len(report.stages), most, "--stages")


def print_transfers(report: Report, console: Console, most: int | None = None) -> None:
    """The transfers between memories, those that take longest first."""
    if report.transfers:
        ranked = sorted(report.transfers, key=lambda transfer: -transfer.predicted.time_s)
        console.print(_tables(report, console).transfers(ranked[:most]))
        _print_rest(console, len(ranked), most, "--transfers")


def print_contenders(report: Report, console: Console) -> None:
    """The plans that were compared end to end, the fastest first."""
    if len(report.contenders) > 1:
        console.print(_tables(report, console).contenders(report.contenders))


def print_nodes(report: Report, console: Console, most: int | None = None) -> None:
    """What nodes take on every device, those that take longest first."""
    if report.nodes:
        ranked = sorted(report.nodes, key=lambda node: -node.run.time_s)
        title = "Nodes" if most is None else "Most expensive nodes"
        console.print(_tables(report, console).nodes(title, ranked[:most]))
        _print_rest(console, len(ranked), most, "--nodes")


def print_explanation(report: Report, name: str, console: Console) -> None:
    """Why the node `name` runs where it runs. Raises UsageError when there is no such node."""
    node = _node(report, name)
    console.print(plain(wording.shorten(node.name, console.width), "bold"))
    facts = [wording.brief(node.op), f"stage {node.stage} on {wording.brief(node.device)}"]
    facts += [f"{size(node.weight_bytes)} of weights"] if node.weight_bytes else []
    facts += [f"{node.flops:,} FLOP"] if node.flops else []
    console.print(plain(f"  {', '.join(facts)}"))
    for verb, values in (("reads", node.inputs), ("writes", node.outputs)):
        for value in values:
            console.print(
                plain(f"  {verb} {wording.shorten(value, 60)}{_transferred(report, value)}")
            )
    console.print()
    console.print(_tables(report, console).options(node))
    console.print(plain(f"would add: {wording.premise(node.options)}", "dim"))
    if any(option.run and option.run.basis == "modelled" for option in node.options):
        console.print(plain(wording.LEGEND, "dim"))


def _node(report: Report, name: str) -> NodeRow:
    known = {node.name: node for node in report.nodes}
    if name not in known:
        near = suggestion(name, known)
        raise UsageError(
            f"there is no node {wording.shorten(name, 80)!r}",
            where=f"plan of {wording.brief(report.summary.model)}",
            fix=wording.shorten(near, 120) if near else "`--nodes` lists them all",
        )
    return known[name]


def _transferred(report: Report, value: str) -> str:
    said = " and ".join(
        f"{wording.route(f'{row.source}>{row.target}')} in {wording.time(row.predicted)}"
        for row in report.transfers
        if row.value == value
    )
    return f", transferred {said}" if said else ""


def _headline(report: Report) -> Text:
    figure, rest = headline.lead(report.summary)
    line = plain(wording.shorten(report.summary.model, 40), "bold")
    if report.entries:
        line.append(f", {report.entry}", style="not bold")
    line.append(f"  {figure}", style="green")
    line.append(printable(f" {rest}"), style="not bold")
    return line


def _bars(report: Report, console: Console) -> RenderableType:
    """Where the predicted time goes: full blocks are measured, shaded ones modelled."""
    longest = max(share.share for share in report.shares) or 1.0
    room = min(40, console.width - 50)  # none at all in a narrow window
    bars = Table.grid(padding=(0, 2, 0, 0))
    for justify in (LEFT, RIGHT, RIGHT, LEFT):
        bars.add_column(justify=justify, no_wrap=justify == RIGHT)
    for share in report.shares:
        name = _part(report, share, console)
        block = "▒" if share.time.basis == "modelled" else "█"
        bar = plain(block * round(room * share.share / longest), name.style)
        time, part = wording.time(share.time), wording.percent(share.share)
        bars.add_row(name, plain(time), plain(part), bar)
    return bars


def _part(report: Report, share: Share, console: Console) -> Text:
    if share.kind == "stage":
        return _tables(report, console).device(share.name)
    return label(wording.part(share), "dim")


def _has_modelled(report: Report) -> bool:
    options = (option.run for node in report.nodes for option in node.options)
    modelled = (run is not None and run.basis == "modelled" for run in options)
    return report.summary.energy_j is not None or any(modelled)


def _print_rest(console: Console, rows: int, most: int | None, option: str) -> None:
    if most is not None and rows > most:
        console.print(plain(f"… and {rows - most:,} more ({option})", "dim"))
        console.print()


def _tables(report: Report, console: Console) -> Tables:
    return Tables(tuple(device.name for device in report.devices), console.width)

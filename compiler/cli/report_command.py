"""`stagecut report`: what a plan does and why, in the terminal, as a page, or for other tools."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.decoding import EntryOption, entries_asked
from stagecut.compiler.cli.output import console, note, print_text, say
from stagecut.compiler.cli.outputs import check_outputs
from stagecut.compiler.ir.errors import TraceError, UsageError

if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import StoredVariant
    from stagecut.compiler.ir.recorded import Recorded
    from stagecut.compiler.report.model.content import Report


def report(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file.")],
    stages: Annotated[bool, typer.Option("--stages", help="List every stage.")] = False,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="List every node, and what it takes on each device.")
    ] = False,
    transfers: Annotated[
        bool, typer.Option("--transfers", help="List every transfer between memories.")
    ] = False,
    contenders: Annotated[
        bool, typer.Option("--contenders", help="List the plans that this one was compared with.")
    ] = False,
    explain: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="Say why this node runs where it runs; may be repeated."),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INPUT=1x128",
            help="Report on the variant that was profiled with this shape, not on the first one.",
        ),
    ] = None,
    entry: EntryOption = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Compare with this run, as `stagecut run --trace` wrote it, not with the gate's.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one self-contained page.")
    ] = None,
    dot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the graph for Graphviz.")
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the model with device and stage on every operator, for Netron.",
        ),
    ] = None,
    json: common.JsonOption = False,
) -> None:
    """Say how fast a plan is, how sure that is, what runs where, and why.

    Of a decoder's plan, all entries are told, and all else is about the one that runs for each
    token, unless --entry or --shape names another.

    stagecut report bert.plan
    stagecut report bert.plan --stages --explain encoder/add
    stagecut report bert.plan --html bert.html
    """
    from stagecut.compiler.formats.costs_json import read_costs
    from stagecut.compiler.formats.plan_file import Plan
    from stagecut.compiler.ir.recorded import Recorded
    from stagecut.compiler.report.decoding import DecodingFigures
    from stagecut.compiler.report.model.build import build_report
    from stagecut.compiler.report.model.entries import entry_rows

    shown = [
        name
        for name, wanted in {
            "stages": stages,
            "transfers": transfers,
            "contenders": contenders,
            "nodes": nodes,
        }.items()
        if wanted
    ]
    if json and (shown or explain):
        raise UsageError(
            "--json prints everything there is",
            where="--json",
            fix="leave the other options out, and take what you need from the JSON",
        )
    weights = None if onnx is None else _weights_of(onnx)
    check_outputs({"--html": html, "--dot": dot, "--onnx": onnx}, (plan, trace))
    check_outputs({"--onnx": weights}, (plan, trace, html, dot))
    loaded = Plan.load(plan)
    shapes = common.parse_shapes(shape)
    variant = loaded.variant(shapes, entries_asked(loaded, entry, shapes)[0])
    recorded = Recorded() if trace is None else _read_trace(trace)
    variants = loaded.entry_named(variant.entry).planned.variants
    costs = read_costs(variant.costs)
    content = build_report(
        variant.planned,
        costs,
        recorded.run,
        variants,
        loaded.weights,
        variant.entry,
        entry_rows(loaded.document),
        recorded.stream,
    )
    if explain or shown or not (html or dot or onnx or json):
        _print(content, shown, explain or ())
        figures = DecodingFigures.of(loaded.document)
        if figures is not None:
            say(*figures.lines())
    if json:
        from stagecut.compiler.report.export.json import to_json

        print_text(to_json(content))
    _write(variant, content, html=html, dot=dot, onnx=onnx)


def _read_trace(path: Path) -> "Recorded":
    from stagecut.compiler.formats.chrome_trace import from_chrome
    from stagecut.compiler.formats.text_file import read_text

    try:
        text = read_text(path)
    except OSError as error:
        raise TraceError(
            f"cannot be read: {error.strerror}", where=str(path), fix="check the path"
        ) from None
    return from_chrome(text, str(path))


def _print(content: "Report", shown: Sequence[str], explain: Sequence[str]) -> None:
    """What was asked for, or the summary."""
    from stagecut.compiler.report.terminal import report as terminal

    screen = console()
    tables = {
        "stages": terminal.print_stages,
        "transfers": terminal.print_transfers,
        "contenders": terminal.print_contenders,
        "nodes": terminal.print_nodes,
    }
    if not (shown or explain):
        terminal.print_summary(content, screen)
    for name in shown:
        tables[name](content, screen)
    for node in explain:
        terminal.print_explanation(content, node, screen)


def _write(
    variant: "StoredVariant",
    content: "Report",
    *,
    html: Path | None,
    dot: Path | None,
    onnx: Path | None,
) -> None:
    """Each file whole or not at all; what was written is said on standard error."""
    from stagecut.compiler.formats.atomic import replacing

    if html is not None:
        from stagecut.compiler.report.page.html import to_html

        with replacing(html) as temporary:
            temporary.write_text(to_html(content), encoding="utf-8")
    if dot is not None:
        from stagecut.compiler.report.export.dot import to_dot

        with replacing(dot) as temporary:
            temporary.write_text(to_dot(content), encoding="utf-8")
    if onnx is not None:
        from stagecut.compiler.report.export.onnx import annotated, write_model

        with replacing(onnx) as temporary:
            model = annotated(variant.planned, variant.staged())
            weights = _weights_of(onnx)
            if write_model(model, temporary, weights.name):
                with replacing(weights) as beside:
                    shutil.move(temporary.with_name(weights.name), beside)
    for path in (html, dot, onnx):
        if path is not None:
            note(f"wrote {path}")


def _weights_of(onnx: Path) -> Path:
    """The file beside the model for weights that are too large for one file."""
    return Path(f"{os.path.realpath(onnx)}.weights")

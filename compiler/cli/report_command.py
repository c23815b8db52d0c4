"""`stagecut report`: what a plan does and why, in the terminal, as a page, or as JSON."""

from pathlib import Path
from typing import Annotated

import typer

from stagecut.compiler.cli import common


def report(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file.")],
    html: Annotated[
        Path | None, typer.Option(help="Write one self-contained page to this file.")
    ] = None,
    json: common.JsonOption = False,
) -> None:
    """Say how fast a plan is, how sure that is, what runs where, and why.

    stagecut report bert.plan
    stagecut report bert.plan --html bert.html
    """
    from stagecut.compiler.archive import replacing
    from stagecut.compiler.costs_json import read_costs
    from stagecut.compiler.plan import Plan
    from stagecut.compiler.report.build import build_report

    loaded = Plan.load(plan)
    content = build_report(loaded.manifest, read_costs(loaded.costs))
    if html is not None:
        from stagecut.compiler.report.html import to_html

        with replacing(html) as temporary:
            temporary.write_text(to_html(content), encoding="utf-8")
    if json:
        from stagecut.compiler.report.document import to_json

        typer.echo(to_json(content))
        return
    if html is not None:
        typer.echo(f"wrote {html}")
        return
    from rich.console import Console

    from stagecut.compiler.report.terminal import print_report

    print_report(content, Console())

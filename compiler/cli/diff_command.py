"""`stagecut diff`: what changed from one plan to another."""

from pathlib import Path
from typing import Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import console, note, print_text


def diff(
    before: Annotated[Path, typer.Argument(metavar="A.plan", help="The plan to compare with.")],
    after: Annotated[Path, typer.Argument(metavar="B.plan", help="The plan that may differ.")],
    tolerance: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="PART",
            help="The part of its time by which a plan that decides the same may differ: 0.05 is "
            "5 %. The observed time counts where both plans were observed, but for what noise "
            "explains; else the predicted one.",
        ),
    ] = 0.05,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INPUT=1x128",
            help="Compare the variants that were profiled with this shape, not the first ones.",
        ),
    ] = None,
    json: common.JsonOption = False,
) -> None:
    """Say what moved from plan A to plan B, and what it did to time, transfers and memory.

    Exits with 1 when the plans differ, like diff, so that a script can guard a plan.

      stagecut diff old.plan new.plan
      stagecut diff old.plan new.plan --tolerance 0.02 --json
    """
    from stagecut.compiler.formats.plan_file import Plan
    from stagecut.compiler.report.export.json import difference_json
    from stagecut.compiler.report.model.difference import compare

    plans = [Plan.load(path) for path in (before, after)]
    shapes = common.parse_shapes(shape)
    if not shapes and max(len(plan.variants) for plan in plans) > 1:
        note("only the first variants are compared: --shape names others")
    old, new = (plan.variant(shapes).planned for plan in plans)
    difference = compare(old, new)
    if json:
        print_text(difference_json(difference, tolerance))
    else:
        from stagecut.compiler.report.terminal.difference import print_difference

        print_difference(difference, console())
    if difference.differs(tolerance):
        raise typer.Exit(1)

"""`stagecut diff`: what changed from one plan to another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.decoding import EveryEntryOption, entries_asked
from stagecut.compiler.cli.output import console, note, print_text, say
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    from stagecut.compiler.formats.plan_file import Plan


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
    entry: EveryEntryOption = None,
    json: common.JsonOption = False,
) -> None:
    """Say what moved from plan A to plan B, and what it did to time, transfers and memory.

    Exits with 1 when the plans differ, like diff, so that a script can guard a plan. Of decoders'
    plans, each entry is compared, and one that differs is enough.

      stagecut diff old.plan new.plan
      stagecut diff old.plan new.plan --tolerance 0.02 --json
    """
    from stagecut.compiler.formats.plan_file import Plan
    from stagecut.compiler.report.export.json import difference_json
    from stagecut.compiler.report.model.difference import compare

    plans = [Plan.load(path) for path in (before, after)]
    shapes = common.parse_shapes(shape)
    old, new = (entries_asked(plan, entry, shapes) for plan in plans)
    both = [name for name in old if name in new]
    if not both:
        raise UsageError(
            f"one plan has {_named(plans[0])}, the other {_named(plans[1])}",
            where=f"{before} and {after}",
            fix="compare plans of one model",
        )
    if not shapes and any(_has_several(plan, name) for plan in plans for name in both):
        note("only the first variants are compared: --shape names others")
    found = {
        name: compare(*(plan.variant(shapes, name).planned for plan in plans)) for name in both
    }
    if json:
        print_text(difference_json(found, tolerance))
    else:
        from stagecut.compiler.report.terminal.difference import print_difference

        for name, difference in found.items():
            if name is not None and len(both) > 1:
                say(f"{name}:")
            print_difference(difference, console())
    if any(difference.differs(tolerance) for difference in found.values()):
        raise typer.Exit(1)


def _has_several(plan: "Plan", entry: str | None) -> bool:
    return len(plan.variants if entry is None else plan.entry_named(entry).variants) > 1


def _named(plan: "Plan") -> str:
    return " and ".join(plan.document.entries)

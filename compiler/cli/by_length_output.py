"""What is printed of costs along the length of a decoder's sequence, and of the best schedules."""

import math
from collections.abc import Iterator

from stagecut.compiler.cli.sweep_output import (
    breakpoint_document,
    changed,
    csv_text,
    placed,
    proved,
)
from stagecut.compiler.ir.costs_by_length import CostsByLength
from stagecut.compiler.report import wording
from stagecut.passes.sweep.lengths import LengthCurve, LengthStretch


def misfit_lines(costs: CostsByLength) -> Iterator[str]:
    """How well lines between the lengths hold."""
    misfit = costs.misfit()
    if not misfit:
        yield "how far costs are from a line between the two lengths is not known: give a third"
        return
    inner = ", ".join(map(str, costs.lengths[1:-1]))
    worst = ", ".join(f"{name} {off:.1%}" for name, off in misfit.items())
    yield f"lines through their neighbours miss the lengths between ({inner}) by at most: {worst}"


def curve_document(curve: LengthCurve, costs: CostsByLength) -> dict[str, object]:
    """Amounts in the objective's unit; between two corners of a stretch, its total is a line."""
    return {
        "objective": str(curve.objective),
        "lengths": list(costs.lengths),
        "misfit": dict(costs.misfit()),
        "breakpoints": [
            {
                "at": point.at,
                "from_length": math.ceil(point.at),
                **breakpoint_document(point),
            }
            for point in curve.breakpoints
        ],
        "stretches": [
            {
                "low": stretch.low,
                "high": stretch.high,
                "corners": [list(corner) for corner in stretch.corners],
                "assignment": dict(stretch.solution.assignment.devices),
            }
            for stretch in curve.stretches
        ],
        "solves": curve.solves,
        "certificate": {"exact": curve.gap == 0, "gap": curve.gap},
    }


def curve_lines(curve: LengthCurve, costs: CostsByLength) -> Iterator[str]:
    text = curve.objective.text
    yield (
        f"a step behind {costs.low} to {costs.high} tokens: "
        f"{wording.count(len(curve.breakpoints), 'change')}, found by "
        f"{proved(curve.solves, curve.gap)}"
    )
    yield f"  {'tokens':>8}  {'total':>9}  what changes"
    first, last = curve.stretches[0], curve.stretches[-1]
    yield _end_line(text(first.corners[0][1]), costs.low, first)
    for point in curve.breakpoints:
        yield from changed(f"  {math.ceil(point.at):8}  {text(point.total):>9}  ", point)
    yield _end_line(text(last.corners[-1][1]), costs.high, last)
    yield from misfit_lines(costs)


def _end_line(total: str, length: int, stretch: LengthStretch) -> str:
    return f"  {length:8}  {total:>9}  {placed(stretch.solution)}"


def curve_csv(curve: LengthCurve) -> str:
    """A row for each corner of each stretch: enough to draw the curve."""
    return csv_text(
        ("stretch", "length", "total"),
        (
            (number, length, total)
            for number, stretch in enumerate(curve.stretches)
            for length, total in stretch.corners
        ),
    )

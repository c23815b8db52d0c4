"""Throughput against latency: the streams that there are to choose from, by the costs.

latency |              3        1   this plan
        |        2              2   sooner done, and slower
        |                       3   with another core
        +------------- inputs/s
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stagecut.compiler.ir.planned_stream import FrontPoint
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report, Streaming, Summary
from stagecut.compiler.report.page.marks import Tick
from stagecut.compiler.report.page.timeline import round_steps, ticks

#: So much of the drawing is left free beyond the outermost stream, for its number.
_ROOM = 1.08


@dataclass(frozen=True, slots=True)
class FrontMark:
    """A stream in percent of the drawing, `y` from its top; `kind` is `chosen`, `other` or
    `more`."""

    x: float
    y: float
    number: int
    kind: str
    point: FrontPoint
    title: str


@dataclass(frozen=True, slots=True)
class FrontDrawing:
    """Ticks `up` have their place from the bottom."""

    marks: tuple[FrontMark, ...]
    across: tuple[Tick, ...] = ()
    up: tuple[Tick, ...] = ()


def front(report: Report) -> FrontDrawing:
    """Empty where there is nothing to choose from."""
    stream = report.summary.streaming
    found = [] if stream is None else [*_points(report.summary, stream)]
    if len(found) < 2 or not all(point.period_s for _, point in found):
        return FrontDrawing(())
    fastest = _ROOM * max(1 / point.period_s for _, point in found)
    longest_s = _ROOM * max(point.latency_s for _, point in found)
    marks = (
        FrontMark(
            100 / point.period_s / fastest,
            100 - 100 * point.latency_s / longest_s,
            number,
            kind,
            point,
            f"{_NAMES[kind]}: {wording.trade(point)}",
        )
        for number, (kind, point) in enumerate(found, start=1)
    )
    rates = (Tick(100 * each / fastest, f"{each:g}") for each in round_steps(fastest))
    return FrontDrawing(tuple(marks), tuple(rates), ticks(longest_s))


_NAMES = {"chosen": "this plan", "other": "sooner done", "more": "with another core"}


def _points(summary: Summary, stream: Streaming) -> Iterator[tuple[str, FrontPoint]]:
    period, latency = summary.predicted, stream.latency
    stages = " > ".join(" + ".join(map(str, places)) for places in stream.places)
    yield "chosen", FrontPoint(period.time_s, latency.time_s, stages, period.basis)
    for point in stream.front:
        yield "other", point
    if stream.another is not None:
        yield "more", stream.another

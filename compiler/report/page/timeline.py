"""The timeline: a lane for each device and link, what was predicted above what was observed."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.rows import Span
from stagecut.compiler.report.page.marks import Bar, Styles, Tick

#: Narrower bars, in percent of the drawing, have no room for a label.
_LABEL_WIDTH = 3.0

#: Of a lane: where its bars begin below its name, how high they are, and where the next begins.
_BARS_Y, _GAP = 19, 3
_STAGE_HEIGHTS, _TRANSFER_HEIGHTS = (20, 9), (8, 5)
_PADDING = 12


@dataclass(frozen=True, slots=True)
class Lane:
    """What one device or link does, and when; its name stands at `y`."""

    name: str
    transfers: bool
    y: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The lanes from top to bottom, and the marks of their common axis."""

    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    height: int


def timeline(report: Report) -> Timeline:
    """All lanes on one scale, from the beginning of the run to its end."""
    spans = (*report.predicted_spans, *report.observed_spans)
    end_s = max((span.start_s + span.time.time_s for span in spans), default=0.0)
    links = list(dict.fromkeys(span.lane for span in spans if span.kind == "transfer"))
    scale = _Scale(100 / end_s if end_s else 0.0, Styles(report))
    lanes: list[Lane] = []
    y = 0
    for name in _order(report, links):
        upper, lower = _TRANSFER_HEIGHTS if name in links else _STAGE_HEIGHTS
        upper_y, lower_y = y + _BARS_Y, y + _BARS_Y + upper + _GAP
        predicted = (span for span in report.predicted_spans if span.lane == name)
        observed = (span for span in report.observed_spans if span.lane == name)
        bars = (
            *(scale.bar(span, upper_y, upper, "predicted") for span in predicted),
            *(scale.bar(span, lower_y, lower, "observed") for span in observed),
        )
        label = wording.route(name) if name in links else name
        lanes.append(Lane(label, name in links, y, bars))
        y = lower_y + (lower if report.observed_spans else -_GAP) + _PADDING
    return Timeline(tuple(lanes), ticks(end_s), y)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Percent of the drawing per second."""

    per_s: float
    styles: Styles

    def bar(self, span: Span, y: int, height: int, what: str) -> Bar:
        width = self.per_s * span.time.time_s
        labelled = span.kind == "stage" and what == "predicted" and width > _LABEL_WIDTH
        return Bar(
            x=self.per_s * span.start_s,
            y=y,
            width=width,
            height=height,
            style=self.styles(span.lane, span.time.basis),
            title=f"{wording.shorten(span.name, 80)}: {wording.time(span.time)} {what}",
            label=str(span.stage) if labelled else "",
        )


def _order(report: Report, links: Sequence[str]) -> Iterator[str]:
    """Devices in the machine's order, each link between the memories that it joins.

    Links to a memory in which no device lives come last.
    """
    used = {stage.device for stage in report.stages}
    left = {link: Route.parse(link) for link in links}
    seen: set[str] = set()
    for device in report.devices:
        seen.add(device.memory)
        for link in [link for link, route in left.items() if seen.issuperset(route)]:
            yield link
            del left[link]
        if device.name in used:
            yield device.name
    yield from left


def ticks(end_s: float, most: int = 6) -> tuple[Tick, ...]:
    """Marks at round times from 0 to `end_s`, at most `most` steps; none where there is no time."""
    if end_s <= 0:
        return ()
    unit_s = 60.0 if end_s >= 120 else 1.0  # where times are told in minutes
    times_s = (unit_s * each for each in round_steps(end_s / unit_s, most))
    return tuple(Tick(100 * time_s / end_s, seconds(time_s)) for time_s in times_s)


def round_steps(end: float, most: int = 6) -> Iterator[float]:
    """Round numbers from 0 to `end`, which is above 0, at most `most` steps."""
    step = next(step for step in _round_numbers(end) if end / step <= most)
    count = math.floor(end / step * (1 + 1e-9))
    yield from (index * step for index in range(count + 1))


def _round_numbers(whole: float) -> Iterator[float]:
    """1, 2, 5, 10, ... times a power of ten, from below a tenth of `whole` on."""
    power = 10.0 ** (math.floor(math.log10(whole)) - 1)
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10

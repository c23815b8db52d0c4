"""The page's charts: where the time goes, operators, contenders, predicted against observed."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.units import seconds
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import ContenderRow, OperatorOn, OperatorRow
from stagecut.compiler.report.page.marks import Bar, Dot, Styles, Tick
from stagecut.compiler.report.page.timeline import ticks

#: Narrower bars, in percent of the drawing, have no room for a label.
_LABEL_WIDTH = 6.0

#: So many steps of an axis of powers have room for their numbers.
_POWERS = 4

_SHARE_HEIGHT, _BAR_HEIGHT, _OPERATOR_HEIGHT, _CONTENDER_HEIGHT = 36, 12, 34, 38


@dataclass(frozen=True, slots=True)
class OperatorBar:
    """All nodes of an operator on one device: those `placed` there out of those `capable` of it."""

    capable: Bar
    placed: Bar


@dataclass(frozen=True, slots=True)
class OperatorBars:
    """An operator's bars, one for each device."""

    row: OperatorRow
    bars: tuple[OperatorBar, ...]
    height: int


@dataclass(frozen=True, slots=True)
class Scatter:
    """Predicted to the right, observed upwards, on one logarithmic scale; `ticks` for both."""

    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Whisker:
    """A contender from its fastest to its slowest run, with a dot at the median."""

    contender: ContenderRow
    least: float
    median: float
    most: float
    style: str


@dataclass(frozen=True, slots=True)
class ContenderBar:
    """A contender's median; `low` and `high` are where its true median lies, with 95 % confidence.
    `chosen` is the plan itself."""

    label: str
    bar: Bar
    low: float
    high: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class ContenderBars:
    """The contenders above an axis of time."""

    bars: tuple[ContenderBar, ...]
    ticks: tuple[Tick, ...]
    height: int


def share_bars(report: Report) -> tuple[Bar, ...]:
    """The predicted time as one bar, cut up by where it goes."""
    styles = Styles(report)
    return _cut_up(
        (
            share.share,
            f"{wording.part(share)}: {wording.time(share.time)}",
            styles(share.name, share.time.basis),
        )
        for share in report.shares
    )


def energy_bars(report: Report) -> tuple[Bar, ...]:
    """The energy of a run as one bar, cut up by where it goes."""
    styles = Styles(report)
    return _cut_up(
        (
            part.share,
            f"{wording.brief(part.name)}: {wording.joules(part.energy_j)}",
            styles(part.name, "modelled"),
        )
        for part in report.energy
    )


def _cut_up(parts: Iterable[tuple[float, str, str]]) -> tuple[Bar, ...]:
    """One bar out of shares with their titles and styles."""
    bars: list[Bar] = []
    for share, title, style in parts:
        x = bars[-1].x + bars[-1].width if bars else 0.0
        width, percent = 100 * share, wording.percent(share)
        label = percent if width > _LABEL_WIDTH else ""
        bars.append(Bar(x, 0, width, _SHARE_HEIGHT, style, f"{title}, {percent}", label))
    return tuple(bars)


def operator_bars(report: Report, rows: Sequence[OperatorRow]) -> tuple[OperatorBars, ...]:
    """What the nodes of each operator take on each device, all on one scale."""
    styles = Styles(report)
    longest_s = max((on.capable_time.time_s for row in rows for on in row.devices), default=0.0)
    scale = 100 / longest_s if longest_s else 0.0
    return tuple(
        OperatorBars(
            row=row,
            bars=tuple(
                _operator_bar(row, on, index * _OPERATOR_HEIGHT, scale, styles)
                for index, on in enumerate(row.devices)
            ),
            height=len(row.devices) * _OPERATOR_HEIGHT,
        )
        for row in rows
    )


def _operator_bar(
    row: OperatorRow, on: OperatorOn, y: int, scale: float, styles: Styles
) -> OperatorBar:
    style = styles(on.device, on.capable_time.basis)
    device = wording.brief(on.device)
    label = f"{device}: cannot run it"
    if on.capable:
        label = f"{device}: {wording.time(on.capable_time)}"
        label += "" if on.capable == row.nodes else f" for {on.capable} of {row.nodes}"
        label += f", {on.placed} placed here" if on.placed else ""
    return OperatorBar(
        capable=Bar(0.0, y, scale * on.capable_time.time_s, _BAR_HEIGHT, style, label, label),
        placed=Bar(0.0, y, scale * on.placed_time.time_s, _BAR_HEIGHT, style, label),
    )


def whiskers(report: Report) -> tuple[Whisker, ...]:
    """The contenders on one scale that starts at nothing."""
    styles = Styles(report)
    slowest_s = max((contender.max_s for contender in report.contenders), default=0.0)
    scale = 100 / slowest_s if slowest_s else 0.0
    return tuple(
        Whisker(
            contender=contender,
            least=scale * contender.min_s,
            median=scale * contender.median_s,
            most=scale * contender.max_s,
            style=styles(contender.name, contender.basis) if contender.stages == 1 else "plan",
        )
        for contender in report.contenders
    )


def contender_bars(report: Report) -> ContenderBars:
    """The contenders' medians as bars, the fastest first, on one scale that starts at nothing."""
    styles = Styles(report)
    end_s = max((max(row.median_s, row.high_s) for row in report.contenders), default=0.0)
    scale = 100 / end_s if end_s else 0.0
    return ContenderBars(
        tuple(
            _contender_bar(row, index * _CONTENDER_HEIGHT, scale, styles)
            for index, row in enumerate(report.contenders)
        ),
        ticks(end_s),
        len(report.contenders) * _CONTENDER_HEIGHT,
    )


def _contender_bar(row: ContenderRow, y: int, scale: float, styles: Styles) -> ContenderBar:
    time = wording.time(Figure(row.median_s, row.basis))
    sure = wording.interval(row)
    how = f"95 % within {sure}" if sure else "added up, never run"
    label = f"{wording.brief(row.name)}: {time}{', this plan' if row.chosen else ''}"
    style = styles(row.name if row.stages == 1 else "", row.basis)
    low, high = (row.low_s, row.high_s) if sure else (row.median_s, row.median_s)
    bar = Bar(0.0, y, scale * row.median_s, _BAR_HEIGHT, style, f"{label}; {how}")
    return ContenderBar(label, bar, scale * low, scale * high, row.chosen)


def scatter(report: Report) -> Scatter:
    """What was measured against what was predicted.

    Only measured parts: a modelled one takes what its model says whenever it runs.
    """
    pairs = [pair for pair in _pairs(report) if min(pair.predicted_s, pair.observed_s) > 0]
    if not pairs:
        return Scatter((), ())
    logs = [math.log10(time_s) for pair in pairs for time_s in (pair.predicted_s, pair.observed_s)]
    low, high = math.floor(min(logs)), math.ceil(max(logs) + 1e-9)

    step = math.ceil((high - low) / _POWERS)

    def place(time_s: float) -> float:
        return 100 * (math.log10(time_s) - low) / (high - low)

    return Scatter(
        dots=tuple(
            Dot(place(pair.predicted_s), 100 - place(pair.observed_s), pair.style, pair.title)
            for pair in pairs
        ),
        ticks=tuple(
            Tick(100 * (power - low) / (high - low), seconds(10.0**power))
            for power in range(low, high + 1, step)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    predicted_s: float
    observed_s: float
    style: str
    title: str


def _pairs(report: Report) -> Iterator[_Pair]:
    styles = Styles(report)
    for stage in report.stages:
        if stage.observed is not None and stage.observed.basis == "measured":
            style = styles(stage.device, "measured")
            foretold = stage.foretold, "at the gate" if stage.as_built else "predicted"
            yield _pair(f"stage {stage.index}", foretold, stage.observed, style)
    for row in report.transfers:
        if row.observed is not None and row.observed.basis == "measured":
            name, style = wording.shorten(row.value, 80), styles("", "measured")
            yield _pair(name, (row.predicted, "predicted"), row.observed, style)


def _pair(name: str, foretold: tuple[Figure, str], observed: Figure, style: str) -> _Pair:
    figure, how = foretold
    title = f"{name}: {wording.time(figure)} {how}, {wording.time(observed)} observed"
    return _Pair(figure.time_s, observed.time_s, style, title)

"""Time against error: the plans that there are to choose from where precision is a choice.

time |     2                    1 2 3   by the costs, their errors measured
     |  o      1                o       plans that the gate ran
     +--------------- error
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.page.marks import Tick
from stagecut.compiler.report.page.timeline import round_steps, ticks

#: So much of the drawing is left free beyond the outermost plan, for its number.
_ROOM = 1.08


@dataclass(frozen=True, slots=True)
class ErrorMark:
    """A plan in percent of the drawing, `y` from its top; `kind` is `chosen` for the one that
    ships, `more` for others that were run, `other` for those by the costs alone."""

    x: float
    y: float
    number: int
    kind: str
    time: Figure
    error: float
    what: str

    @property
    def title(self) -> str:
        return f"{self.what}: {wording.time(self.time)}, {wording.percent_of(self.error)} off"


@dataclass(frozen=True, slots=True)
class ErrorDrawing:
    """Ticks `up` have their place from the bottom."""

    marks: tuple[ErrorMark, ...]
    across: tuple[Tick, ...] = ()
    up: tuple[Tick, ...] = ()


def errors(report: Report) -> ErrorDrawing:
    """Empty where there is nothing to choose from."""
    found = [*_plans(report)]
    if len(found) < 2:
        return ErrorDrawing(())
    widest = _ROOM * max(error for _, _, error, _ in found)
    longest_s = _ROOM * max(time.time_s for _, time, _, _ in found)
    if not widest or not longest_s:
        return ErrorDrawing(())
    marks = (
        ErrorMark(
            100 * error / widest,
            100 - 100 * time.time_s / longest_s,
            number,
            kind,
            time,
            error,
            what,
        )
        for number, (kind, time, error, what) in enumerate(found, start=1)
    )
    parts = (Tick(100 * each / widest, wording.percent_of(each)) for each in round_steps(widest))
    return ErrorDrawing(tuple(marks), tuple(parts), ticks(longest_s))


def _plans(report: Report) -> Iterator[tuple[str, Figure, float, str]]:
    precision = report.precision
    if precision is None or not precision.front:
        return
    for contender in report.contenders:
        known = precision.of(contender.name)
        if known is not None and contender.accounting == "measured":
            kind = "chosen" if contender.chosen else "more"
            yield kind, Figure(contender.median_s, contender.basis), known.error, contender.name
    for point in precision.front:
        yield "other", Figure(point.run_s, point.basis), point.error, wording.nodes_on(point)

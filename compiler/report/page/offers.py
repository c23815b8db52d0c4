"""What there is to choose from, drawn: an amount to the right, time upwards, a number for each.

time |     2
     |  3      1
     +----------- amount
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stagecut.compiler.report.page.marks import Tick
from stagecut.compiler.report.page.timeline import round_steps, ticks

Thing = TypeVar("Thing")

#: So much of the drawing is left free beyond the outermost offer, for its number.
_ROOM = 1.08


@dataclass(frozen=True, slots=True)
class Offer(Generic[Thing]):
    """`kind` is `chosen` for the plan that ships, `other` or `more` for what else there is."""

    thing: Thing
    kind: str
    amount: float
    time_s: float
    title: str


@dataclass(frozen=True, slots=True)
class OfferMark(Generic[Thing]):
    """An offer in percent of the drawing, `y` from its top."""

    x: float
    y: float
    number: int
    kind: str
    thing: Thing
    title: str


@dataclass(frozen=True, slots=True)
class OfferDrawing(Generic[Thing]):
    """Ticks `up` have their place from the bottom."""

    marks: tuple[OfferMark[Thing], ...] = ()
    across: tuple[Tick, ...] = ()
    up: tuple[Tick, ...] = ()


def offers(
    found: Sequence[Offer[Thing]], amount_text: Callable[[float], str]
) -> OfferDrawing[Thing]:
    """Empty where there is nothing to choose from, or nothing that takes any time, or that has any
    of the amount."""
    widest = _ROOM * max((each.amount for each in found), default=0.0)
    longest_s = _ROOM * max((each.time_s for each in found), default=0.0)
    if len(found) < 2 or not widest or not longest_s:
        return OfferDrawing()
    marks = (
        OfferMark(
            100 * each.amount / widest,
            100 - 100 * each.time_s / longest_s,
            number,
            each.kind,
            each.thing,
            each.title,
        )
        for number, each in enumerate(found, start=1)
    )
    parts = (Tick(100 * each / widest, amount_text(each)) for each in round_steps(widest))
    return OfferDrawing(tuple(marks), tuple(parts), ticks(longest_s))

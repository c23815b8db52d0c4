"""The exact curve of a minimum over lines, in the fewest minimisations.

Each answer costs `fixed + factor * scaled`, a line; the least over all answers is concave and made
of pieces of lines. It is known at the ends of a range; where the lines of two ends cross, one more
minimisation says whether anything lies below their crossing. If not, the crossing is a breakpoint;
if so, the line that does divides the range in two.

      \\       left                K breakpoints take 2 K + 1 minimisations
       \\   ____ right
        \\_/

After Eisner and Severance, "Mathematical techniques for efficient record segmentation in large
shared databases", J. ACM 23 (1976).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

#: A relative difference that is no larger is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Line(Generic[Answer]):
    """What an answer costs, by the factor on the part that is scaled."""

    fixed: float
    scaled: float
    answer: Answer

    def at(self, factor: float) -> float:
        return self.fixed + factor * self.scaled


@dataclass(frozen=True, slots=True)
class Piece(Generic[Answer]):
    """From one factor to another, `line` is the least."""

    low: float
    high: float
    line: Line[Answer]


@dataclass(frozen=True, slots=True)
class Envelope(Generic[Answer]):
    """The pieces by increasing factor, and how many minimisations they took."""

    pieces: tuple[Piece[Answer], ...]
    solves: int


def envelope(least: Callable[[float], Line[Answer]], low: float, high: float) -> "Envelope[Answer]":
    """The least of all lines from `low` to `high`, where `least(factor)` is the line of an answer
    that costs least there."""
    solves = 0

    def solved(factor: float) -> Line[Answer]:
        nonlocal solves
        solves += 1
        return least(factor)

    def between(
        left: Line[Answer], start: float, right: Line[Answer], end: float
    ) -> Iterator[Piece[Answer]]:
        """The pieces of the range; `left` is least at its start and `right` at its end."""
        if _as_good(left, right, end):
            yield Piece(start, end, left)
            return
        if _as_good(right, left, start):
            yield Piece(start, end, right)
            return
        crossing = (right.fixed - left.fixed) / (left.scaled - right.scaled)
        middle = solved(crossing)
        if _as_good(left, middle, crossing):
            yield Piece(start, crossing, left)
            yield Piece(crossing, end, right)
            return
        yield from between(left, start, middle, crossing)
        yield from between(middle, crossing, right, end)

    pieces: list[Piece[Answer]] = []
    first = solved(low)
    last = first if low == high else solved(high)
    for piece in between(first, low, last, high):
        if pieces and pieces[-1].line is piece.line:
            pieces[-1] = Piece(pieces[-1].low, piece.high, piece.line)
        else:
            pieces.append(piece)
    return Envelope(tuple(pieces), solves)


def _as_good(line: Line[Answer], other: Line[Answer], factor: float) -> bool:
    """Whether `line` costs no more there than `other`, but for rounding."""
    mine, least = line.at(factor), other.at(factor)
    return mine <= least or math.isclose(mine, least, rel_tol=_ROUNDING)

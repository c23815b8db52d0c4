"""The exact regions of a minimum over planes: where in a rectangle each answer is the least.

Each answer costs `fixed + x * first + y * second`, a plane; the least over all answers is concave.
The least of the planes found so far is nowhere below it, and linear within each cell; where the two
are the same at every corner of a cell, they are the same in all of it.

    y                     solve at every corner of a cell; what lies below there
    |   B    |            is one more plane, which takes its part of the cells
    |--------+   C
    |   A    |            when every corner holds, so does all between them
    +---------------- x

The step to two dimensions of what `envelope` does in one.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeAlias, TypeVar

Answer = TypeVar("Answer")

#: A corner of a cell.
Corner: TypeAlias = tuple[float, float]

#: A relative difference that is no larger is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Plane(Generic[Answer]):
    """What an answer costs, by the factors on the two parts that are scaled."""

    fixed: float
    first: float
    second: float
    answer: Answer

    def at(self, corner: Corner) -> float:
        return self.fixed + corner[0] * self.first + corner[1] * self.second


@dataclass(frozen=True, slots=True)
class Region(Generic[Answer]):
    """Where `plane` is the least: a convex cell, its corners one after the other."""

    corners: tuple[Corner, ...]
    plane: Plane[Answer]


@dataclass(frozen=True, slots=True)
class Regions(Generic[Answer]):
    """Cells that fill the rectangle, and how many minimisations they took."""

    cells: tuple[Region[Answer], ...]
    solves: int


def regions(
    least: Callable[[Corner], Plane[Answer]], low: Corner, high: Corner
) -> "Regions[Answer]":
    """The least of all planes between two corners, where `least(corner)` is the plane of an answer
    that costs least there; all coordinates are above 0."""
    box = (low, (high[0], low[1]), high, (low[0], high[1]))
    cells = [Region(_distinct(box), least(low))]
    solved = [low]
    while True:
        corner = next((each for each in _corners(cells) if not _among(each, solved)), None)
        if corner is None:
            return Regions(tuple(cells), len(solved))
        solved.append(corner)
        found = least(corner)
        if found.at(corner) < (1 - _ROUNDING) * min(cell.plane.at(corner) for cell in cells):
            cells = [*_divided(cells, box, found)]


def _corners(cells: Sequence[Region[Answer]]) -> Iterator[Corner]:
    return (corner for cell in cells for corner in cell.corners)


def _divided(
    cells: Sequence[Region[Answer]], box: Sequence[Corner], plane: Plane[Answer]
) -> Iterator[Region[Answer]]:
    """The cells without where `plane` costs less, and that as a cell of its own."""
    own: Sequence[Corner] = box
    for cell in cells:
        left = _clipped(cell.corners, cell.plane, plane)
        own = _clipped(own, plane, cell.plane)
        if len(left) > 2 or len(cell.corners) < 3:
            yield Region(left, cell.plane)
    yield Region(tuple(own), plane)


def _clipped(
    corners: Sequence[Corner], plane: Plane[Answer], other: Plane[Answer]
) -> tuple[Corner, ...]:
    """Where in a convex cell `plane` costs no more than `other` (Sutherland and Hodgman, 1974)."""
    kept: list[Corner] = []
    over = [plane.at(corner) - other.at(corner) for corner in corners]
    ring = [*zip(corners, over, strict=True)]
    for (start, before), (end, after) in pairwise([ring[-1], *ring] if ring else []):
        if (before > 0) != (after > 0):
            part = before / (before - after)
            kept.append(
                (start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1]))
            )
        if after <= 0:
            kept.append(end)
    return _distinct(kept)


def _distinct(corners: Sequence[Corner]) -> tuple[Corner, ...]:
    kept: list[Corner] = []
    for corner in corners:
        if not _among(corner, kept):
            kept.append(corner)
    return tuple(kept)


def _among(corner: Corner, others: Sequence[Corner]) -> bool:
    return any(
        math.isclose(corner[0], x, rel_tol=_ROUNDING)
        and math.isclose(corner[1], y, rel_tol=_ROUNDING)
        for x, y in others
    )

"""The shapes that a stage with open dimensions is known to run at.

OpenVINO looks at them again when it runs such a stage, but not at all of them: a product of
matrices that do not fit reads beyond their ends. So each is tried out before; but where it grows
step by step, as that of a decoder does, not each: what was tried lies on a line,

    start     start + step     ...     start + reach x step

and what lies between is as right as that is. Sizes follow from it by sums, or as the smaller or the
larger of two, which agree everywhere between two ends if they do at these and between them; where
they are halves, thirds, up to eighths, so many neighbours show it. Of sizes that follow in another
way, some that do not fit may lie between; but no line is drawn over what was tried and refused. The
line grows to twice its length, so that few are tried.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from stagecut.compiler.ir.errors import EngineError

Shapes: TypeAlias = tuple[tuple[int, ...], ...]

#: So many neighbours in the middle of a line are tried: what repeats itself within them is seen.
_NEIGHBOURS = 8

#: So many of those that did not fit are kept.
_REFUSED_KEPT = 128

#: So many that lie on no line are kept, and the number of shapes for which OpenVINO keeps what it
#: built: 5000 operators by itself, at about 0.1 MB each.
SHAPES_KEPT = 8


@dataclass(frozen=True, slots=True)
class Line:
    """Sizes from `start` in steps to `start + reach * step`. Further on, to a place that was found
    `wrong`, if any was, is something that does not fit."""

    start: tuple[int, ...]
    step: tuple[int, ...]
    reach: int
    wrong: int | None = None

    @classmethod
    def through(cls, one: tuple[int, ...], other: tuple[int, ...]) -> "Line | None":
        """From the one to the other, if that grows nowhere but to larger sizes."""
        if len(one) != len(other):
            return None
        apart = [b - a for a, b in zip(one, other, strict=True)]
        if all(size <= 0 for size in apart):
            return None if one == other else cls.through(other, one)
        if min(apart) < 0:
            return None
        reach = math.gcd(*apart)
        return cls(one, tuple(size // reach for size in apart), reach)

    def place(self, sizes: tuple[int, ...]) -> int | None:
        """How many steps behind the start `sizes` are; None where these are not on the line,
        however far it reaches."""
        at = next(at for at, step in enumerate(self.step) if step)
        if len(sizes) != len(self.start):
            return None
        place, rest = divmod(sizes[at] - self.start[at], self.step[at])
        return place if not rest and self.at(place) == sizes else None

    def covers(self, sizes: tuple[int, ...], known: int = 0) -> bool:
        """Whether `sizes` are on it, and not before the place that is `known`."""
        place = self.place(sizes)
        return place is not None and known <= place <= self.reach

    def at(self, place: int) -> tuple[int, ...]:
        return tuple(one + place * step for one, step in zip(self.start, self.step, strict=True))


class KnownShapes:
    """Learns by `trial`, which raises EngineError for shapes that a stage cannot have; safe to ask
    from several threads."""

    def __init__(self, trial: Callable[[Shapes], None]) -> None:
        self._trial = trial
        self._lock = threading.Lock()
        self._known: OrderedDict[Shapes, None] = OrderedDict()
        self._refused: OrderedDict[tuple[int, ...], None] = OrderedDict()
        self._line: Line | None = None

    def check(self, shapes: Shapes) -> None:
        """Raises EngineError where the stage cannot have inputs of these shapes."""
        if self._is_known(shapes):
            return
        with self._lock:
            if not self._is_known(shapes):
                self._learn(shapes)

    def _is_known(self, shapes: Shapes) -> bool:
        line = self._line
        return shapes in self._known or (line is not None and line.covers(_sizes(shapes)))

    def _learn(self, shapes: Shapes) -> None:
        self._try(shapes)
        self._line = self._longer(shapes, self._line) or self._line
        self._known[shapes] = None
        if len(self._known) > SHAPES_KEPT:
            self._known.popitem(last=False)

    def _try(self, shapes: Shapes) -> None:
        try:
            self._trial(shapes)
        except EngineError:
            self._refused[_sizes(shapes)] = None
            if len(self._refused) > _REFUSED_KEPT:
                self._refused.popitem(last=False)
            raise

    def _longer(self, shapes: Shapes, line: Line | None) -> Line | None:
        """A line on which `shapes`, which fit, lie; twice as long as before, if that fits, or half
        way to where it did not. Another line where some were refused on the way to them."""
        place = None if line is None else line.place(_sizes(shapes))
        if line is None or place is None or self._is_cut(replace(line, reach=place), line.reach):
            before = next(reversed(self._known), None)
            new = None if before is None else Line.through(_sizes(before), _sizes(shapes))
            return new if new is not None and self._is_right(new, 0, shapes) else None
        if place < 0:
            wrong = None if line.wrong is None else line.wrong - place
            longer = Line(line.at(place), line.step, line.reach - place, wrong)
            return longer if self._is_right(replace(longer, reach=-place), 0, shapes) else None
        ahead = 2 * place if line.wrong is None else (place + line.wrong) // 2
        for reach in (ahead, place):
            longer = replace(line, reach=reach)
            if reach >= place and self._is_right(longer, line.reach, shapes):
                return longer
            line = replace(line, wrong=max(reach, place + 1))
        return line

    def _is_right(self, line: Line, known: int, like: Shapes) -> bool:
        """Whether all fits from `known` to its end: at both ends, beside them, and at neighbours in
        the middle."""
        if self._is_cut(line, known):
            return False
        middle = (known + line.reach - _NEIGHBOURS) // 2
        places = {known + 1, *range(middle, middle + _NEIGHBOURS), line.reach - 1, line.reach}
        try:
            for place in sorted(places):
                if known <= place <= line.reach:
                    self._try(_shaped(line.at(place), like))
        except EngineError:
            return False
        return True

    def _is_cut(self, line: Line, known: int) -> bool:
        """Whether one that was refused lies on it, from `known` on."""
        return any(line.covers(sizes, known) for sizes in self._refused)


def _sizes(shapes: Shapes) -> tuple[int, ...]:
    return tuple(size for shape in shapes for size in shape)


def _shaped(sizes: tuple[int, ...], like: Shapes) -> Shapes:
    rest = iter(sizes)
    return tuple(tuple(next(rest) for _ in shape) for shape in like)

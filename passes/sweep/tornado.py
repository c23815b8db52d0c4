"""What each part weighs as things stand: the optimum with it half and twice as fast, widest first.

    cpu    6 ======|========== 22      twice as fast on the left, half as fast on the right
    pim     10 ====|
                   12  as things stand

The elasticity is how steep the curve is there; the bars are the curve itself, with whatever moves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stagecut.passes.sweep.sweep import Curve

#: Times as fast as the table has it, where the sweep goes as far.
_SLOW, _FAST = 0.5, 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """The optimum's total with `part` so many times as fast as things stand: `slow` <= 1 <= `fast`.

    `elasticity` is as in `Curve`. Totals are in the objective's unit.
    """

    part: str
    elasticity: float
    slow: float
    slow_total: float
    fast: float
    fast_total: float

    @property
    def width(self) -> float:
        return self.slow_total - self.fast_total


@dataclass(frozen=True, slots=True)
class Tornado:
    """`total` is the optimum as things stand."""

    total: float
    bars: tuple[Bar, ...]

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest total of all."""
        totals = [total for bar in self.bars for total in (bar.fast_total, bar.slow_total)]
        return min(self.total, *totals), max(self.total, *totals)


def tornado(curves: Sequence[Curve]) -> Tornado | None:
    """Of the curves that reach things as they stand; None where there are not two to compare."""
    here = [curve for curve in curves if curve.has(1.0)]
    if len(here) < 2:
        return None
    widest_first = sorted(_bars(here), key=lambda bar: -bar.width)
    return Tornado(here[0].at(1.0).total(1.0), tuple(widest_first))


def _bars(curves: Sequence[Curve]) -> Iterator[Bar]:
    for curve in curves:
        slow, fast = max(_SLOW, curve.low), min(_FAST, curve.high)
        totals = [curve.at(speed).total(speed) for speed in (slow, fast)]
        yield Bar(curve.part, curve.elasticity(1.0), slow, totals[0], fast, totals[1])

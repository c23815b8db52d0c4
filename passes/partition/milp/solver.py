"""A mixed-integer linear program, written row by row and solved by HiGHS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

#: HiGHS stops at an absolute gap of 1e-6: the objective is scaled so that this means nothing.
_SCALED_TO = 1e6

#: The most that it is scaled up by: costs that would need more are as good as 0.
_LARGEST_SCALE = 1e30

Point: TypeAlias = npt.NDArray[np.float64]

#: Is told now and then of the best point, once for each, and of what none costs less than; answers
#: whether the search goes on.
Watch: TypeAlias = Callable[[Point | None, float], bool]


def unwatched(point: Point | None, bound: float) -> bool:
    """Watches nothing, and lets every search go on."""
    del point, bound
    return True


@dataclass(frozen=True, slots=True)
class Outcome:
    """The best point found, if any. No point costs less than `bound`, which is infinite where there
    is no point."""

    point: Point | None
    bound: float
    solved: bool


@dataclass(slots=True)
class IntegerProgram:
    """Variables lie between 0 and their `upper` bound; `prices` are the objective, and at least
    0."""

    prices: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)

    def variable(self, price: float, *, whole: bool = False, upper: float = 1.0) -> int:
        self.prices.append(price)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.prices) - 1

    def at_least(self, lower: float, terms: Mapping[int, float]) -> None:
        """Ask that the sum of factor x variable is no less than `lower`."""
        row = len(self.lower)
        self.lower.append(lower)
        self.entries += ((row, column, factor) for column, factor in terms.items())

    def solve(
        self,
        limit_s: float,
        gap: float = 0.0,
        start: Mapping[int, float] | None = None,
        watch: Watch = unwatched,
    ) -> Outcome:
        """The cheapest point, by branch and cut, or one that costs no more than the part `gap` of
        its own cost above it; the best so far after `limit_s` seconds, or when `watch` ends it.

        `start` has the values of some variables in a point to begin with, where there is one.
        """
        if not self.prices:
            return Outcome(np.empty(0), 0.0, solved=True)
        if not self.entries:
            return Outcome(np.zeros(len(self.prices)), 0.0, solved=True)
        from stagecut.passes.partition.milp.highs import Highs  # here: not all tables need it

        largest = max(self.prices)
        scale = min(_SCALED_TO / largest, _LARGEST_SCALE) if largest > 0 else 1.0
        highs = Highs(self, scale, limit_s, gap)
        if start:
            highs.begin_with(start)
        return highs.run(watch)

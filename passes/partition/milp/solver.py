"""A mixed-integer linear program, written row by row and solved by HiGHS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stagecut.passes.partition.milp.silence import SILENCE

if TYPE_CHECKING:
    from scipy.optimize import LinearConstraint

#: HiGHS stops at an absolute gap of 1e-6: the objective is scaled so that this means nothing.
_SCALED_TO = 1e6

#: The most that it is scaled up by: costs that would need more are as good as 0.
_LARGEST_SCALE = 1e30

_SOLVED, _STOPPED, _INFEASIBLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """The best point found, if any. No point costs less than `bound`, which is infinite where there
    is no point."""

    point: npt.NDArray[np.float64] | None
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

    def solve(self, limit_s: float, gap: float = 0.0) -> Outcome:
        """The cheapest point, by branch and cut, or one that costs no more than the part `gap` of
        its own cost above it; the best so far after `limit_s` seconds."""
        if not self.prices:
            return Outcome(np.empty(0), 0.0, solved=True)
        if not self.entries:
            return Outcome(np.zeros(len(self.prices)), 0.0, solved=True)
        largest = max(self.prices)
        scale = min(_SCALED_TO / largest, _LARGEST_SCALE) if largest > 0 else 1.0
        from scipy.optimize import Bounds, milp  # here: it takes half a second to load

        with SILENCE:
            result = milp(
                scale * np.array(self.prices),
                integrality=np.array(self.whole, dtype=np.int64),
                bounds=Bounds(0.0, np.array(self.upper)),
                constraints=self._rows(),
                options={"mip_rel_gap": gap, "time_limit": limit_s},
            )
        if result.status == _INFEASIBLE:
            return Outcome(None, np.inf, solved=True)
        bound = 0.0 if result.mip_dual_bound is None else max(0.0, result.mip_dual_bound / scale)
        return Outcome(result.x, bound, result.status == _SOLVED)

    def _rows(self) -> "LinearConstraint":
        from scipy.optimize import LinearConstraint
        from scipy.sparse import csr_array

        rows, columns, factors = (np.array(each) for each in zip(*self.entries, strict=True))
        matrix = csr_array((factors, (rows, columns)), shape=(len(self.lower), len(self.prices)))
        return LinearConstraint(matrix, np.array(self.lower), np.inf)

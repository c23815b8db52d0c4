"""A function of many small variables, given as a sum of tables that each look at a few of them.

    total(x) = sum over factors f and rows r of  f.tables[x[f.scopes[0, r]], x[f.scopes[1, r]], r]

Tables of one shape are kept together in one array whose last axis runs over the rows, so that
numpy works on long contiguous runs however small the single table is.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Factors:
    """Tables of one shape: `scopes` (variables, rows) and `tables` (*domains, rows).

    A row's variables are distinct. Entries are costs: not negative, infinite where forbidden.
    """

    scopes: Ints
    tables: Floats

    @property
    def rows(self) -> int:
        return int(self.scopes.shape[1])

    def only(self, rows: Ints) -> "Factors":
        """Some of the rows, given in ascending order."""
        if len(rows) == self.rows:
            return self
        return Factors(self.scopes.take(rows, axis=1), self.tables.take(rows, axis=-1))


@dataclass(frozen=True, slots=True)
class FactorGraph:
    """`domains[v]` is the number of states of variable `v`; a scope has one or two variables."""

    domains: Ints
    factors: tuple[Factors, ...]

    def total(self, states: Ints) -> float:
        """The value at one point, term by term."""
        return sum(
            float(factor.tables[(*states[factor.scopes], np.arange(factor.rows))].sum())
            for factor in self.factors
        )

"""Times that say how they came to be, by one run, many runs, or a prediction."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from stagecut.compiler.ir.machine import Basis, combined


@dataclass(frozen=True, slots=True)
class Figure:
    """A time and how it came to be; kept together, so that no modelled time passes as measured."""

    time_s: float
    basis: Basis

    @classmethod
    def total(cls, figures: Iterable["Figure"]) -> "Figure":
        """Their sum; modelled as soon as one of them is."""
        parts = tuple(figures)
        time_s = math.fsum(part.time_s for part in parts)
        return cls(time_s, combined(part.basis for part in parts))


@dataclass(frozen=True, slots=True)
class Observation:
    """A plan's time end to end: of one traced run, or the median of the gate's runs; or the period
    of a traced stream.

    The true median lies between `low_s` and `high_s` with 95 % confidence; of one run that cannot
    be told.
    """

    total: Figure
    source: Literal["trace", "gate", "stream"]
    min_s: float
    max_s: float
    runs: int
    low_s: float | None = None
    high_s: float | None = None


@dataclass(frozen=True, slots=True)
class Alone:
    """The whole model on one device: the median of the gate's runs, else what the costs say."""

    total: Figure
    source: Literal["observed", "predicted"]

"""Sums of products that round once, as fused multiply-add and expanding dot product do.

    fused(a, b, c) = round(a + b + c)

numpy has no such operation. Error-free transformations give the exact sum as two or three doubles;
rounding the last of them to odd makes the next rounding the only one (S. Boldo and G. Melquiond,
Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to odd, IEEE TC
57(4), 2008). Exact where no intermediate double overflows or is subnormal.
"""

from typing import Any

import numpy as np

from stagecut.backends.rounding import narrow
from stagecut.compiler.ir.device import Tensor

#: Veltkamp's constant, which splits a double into two of 26 bits.
_SPLIT = 2.0**27 + 1


def fused(first: Tensor, second: Tensor, third: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """round(first + second + third) to `dtype`, of float64 operands; returns float64."""
    high, low = _two_sum(second, third)
    top, rest = _two_sum(first, high)
    last = _odd_sum(rest, low)
    if dtype == np.float64:
        return np.asarray(top + last)
    return narrow(_odd_sum(top, last), dtype).astype(np.float64)


def two_product(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The product of doubles as its nearest double, and the exact rest (T. Dekker, 1971)."""
    product = first * second
    a, b = _halves(first)
    c, d = _halves(second)
    return product, ((a * c - product) + a * d + b * c) + b * d


def _halves(number: Tensor) -> tuple[Tensor, Tensor]:
    scaled = number * _SPLIT
    high = scaled - (scaled - number)
    return high, number - high


def _two_sum(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of doubles as its nearest double, and the exact rest (D. Knuth); rests of infinite
    sums are zero."""
    total = first + second
    part = total - first
    rest = (first - (total - part)) + (second - part)
    return total, np.where(np.isfinite(total), rest, 0.0)


def _odd_sum(first: Tensor, second: Tensor) -> Tensor:
    """first + second rounded to odd: where inexact, the neighbour whose last bit is set."""
    total, rest = _two_sum(first, second)
    total = np.atleast_1d(total)
    even = (total.view(np.int64) & 1) == 0
    # of the two neighbours, the one on the side of the exact sum
    toward = np.nextafter(total, np.where(rest > 0, np.inf, -np.inf))
    odd = np.where(even & (rest != 0), toward, total)
    return odd.reshape(np.shape(rest))

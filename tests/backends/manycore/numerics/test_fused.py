"""Sums that round once, against exact fractions."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stagecut.backends.manycore.numerics.fused import fused, two_product
from stagecut.backends.rounding import narrow

DTYPES = (np.float64, np.float32, np.float16, ml_dtypes.float8_e4m3)
numbers = st.floats(-(2.0**60), 2.0**60, allow_subnormal=False).filter(
    lambda x: x == 0 or abs(x) > 2.0**-60
)


@given(numbers, numbers, numbers)
@example(1.0, 2.0**-53, 2.0**-60)  # rounded twice it would be 1
@example(1.0, 2.0**-24, 2.0**-60)
@example(1.0, 2.0**-11, -(2.0**-59))
@example(2.0**59, -(2.0**59), 2.0**-59)
@pytest.mark.parametrize("dtype", DTYPES)
def test_three_numbers_are_rounded_once(dtype: type, a: float, b: float, c: float) -> None:
    result = fused(np.array(a), np.array(b), np.array(c), np.dtype(dtype))
    exact = Fraction(a) + Fraction(b) + Fraction(c)
    assert float(result) == _nearest(exact, dtype)


@given(numbers, numbers)
def test_a_product_is_two_doubles(a: float, b: float) -> None:
    high, low = two_product(np.array(a), np.array(b))
    assert Fraction(float(high)) + Fraction(float(low)) == Fraction(a) * Fraction(b)


def test_an_infinite_term_makes_an_infinite_sum() -> None:
    first, one = np.array([np.inf, 1.0]), np.ones(2)
    with np.errstate(invalid="ignore"):  # rests of infinite sums, which are not used
        assert fused(first, one, one, np.dtype(np.float16)).tolist() == [np.inf, 3.0]


def _nearest(exact: Fraction, dtype: type) -> float:
    """Of the numbers around the nearest double, the one that is nearest; ties to even."""
    start = narrow(np.array([float(exact)]), dtype)
    bits = start.view(f"int{8 * start.itemsize}")[0]
    if start.astype(np.float64)[0] == 0 or not np.isfinite(start.astype(np.float64)[0]):
        return float(start.astype(np.float64)[0])
    near = np.array([int(bits) + step for step in (-1, 0, 1)], bits.dtype)
    candidates = [
        (abs(Fraction(float(value)) - exact), word & 1, float(value))
        for word, value in zip(near.tolist(), near.view(dtype).astype(np.float64), strict=True)
        if np.isfinite(value)
    ]
    return min(candidates)[2]

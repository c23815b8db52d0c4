"""Rounding by bits, against conversion to the formats and back."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stagecut.backends.rounding import held, rounded
from stagecut.compiler.ir.device import Tensor

FORMATS = (np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3, ml_dtypes.float8_e5m2)


@given(arrays.arrays(np.uint32, st.integers(1, 50), elements=st.integers(0, 2**32 - 1)))
@pytest.mark.parametrize("dtype", FORMATS)
def test_rounding_by_bits_is_rounding_by_the_number_format(dtype: type, words: Tensor) -> None:
    numbers = words.view(np.float32)
    expected = held(numbers, dtype)
    got = rounded(numbers.copy(), dtype)
    nan = np.isnan(numbers)
    assert np.isnan(got[nan]).all()
    np.testing.assert_array_equal(got[~nan].view(np.uint32), expected[~nan].view(np.uint32))


@pytest.mark.parametrize("dtype", FORMATS)
def test_every_number_of_the_format_and_those_half_way_between(dtype: type) -> None:
    each = _all(dtype)
    finite = np.sort(each[np.isfinite(each)])
    between = (finite[1:].astype(np.float64) + finite[:-1]) / 2
    numbers = np.concatenate([finite, between.astype(np.float32)])
    np.testing.assert_array_equal(
        rounded(numbers.copy(), dtype).view(np.uint32), held(numbers, dtype).view(np.uint32)
    )


def test_a_single_number_is_rounded_too() -> None:
    assert rounded(np.array(1 + 2.0**-12, np.float32), np.float16) == 1


@pytest.mark.parametrize(("large", "kept"), [(65504, 65504), (65519.9, 65504), (65520, np.inf)])
def test_what_is_too_large_becomes_infinite(large: float, kept: float) -> None:
    assert rounded(np.array([large, -large], np.float32), np.float16).tolist() == [kept, -kept]


def _all(dtype: type) -> Tensor:
    """Every number of the format."""
    bits = 8 * np.dtype(dtype).itemsize
    words = np.arange(2**bits, dtype=f"uint{bits}")
    return words.view(dtype).astype(np.float32)

"""The fast arithmetic of PIM devices, against exact sums and scalar rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stagecut import backends
from stagecut.backends.pim.numerics import Fast, narrow, product_error
from stagecut.compiler.backend import Tensor
from tests.support.nodes import sample

HALF = Fast(np.dtype(np.float16))
halves = arrays.arrays(
    np.float16,
    st.integers(1, 40),
    elements=st.floats(width=16, allow_nan=False, allow_infinity=False),
)


@given(st.integers(1, 6), st.integers(1, 200), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_a_product_is_within_its_error_bound(rows: int, inner: int, outer: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-4, 2)
    activation = (rng.standard_normal((rows, inner)) * scale).astype(np.float16)
    matrix = rng.standard_normal((inner, outer)).astype(np.float32)
    result = HALF.product(activation, HALF.lay_out(matrix))
    exact_activation, exact_weight = (
        a.astype(np.float16).astype(np.float64) for a in (activation, matrix)
    )
    error = np.abs(result - exact_activation @ exact_weight)
    assert (error <= product_error(exact_activation, exact_weight)).all()


@given(halves, st.sampled_from(["add", "mul"]), st.integers(0, 2**32 - 1))
def test_sums_and_products_of_two_are_rounded_once(first: Tensor, kind: str, seed: int) -> None:
    second = np.random.default_rng(seed).permutation(first)
    result = HALF.add(first, second) if kind == "add" else HALF.mul(first, second)
    assert result.dtype == np.float16
    for got, a, b in zip(result, first.tolist(), second.tolist(), strict=True):
        exact = a + b if kind == "add" else a * b  # of 11-bit numbers: exact in 53 bits
        assert got == _nearest_half(exact)


@pytest.mark.parametrize(
    ("operand", "result"),
    [(-0.0, 0.0), (-1.5, 0.0), (2.5, 2.5), (0.0, 0.0), (-np.inf, 0.0), (np.inf, np.inf)],
)
def test_relu_clears_whatever_has_its_sign_set(operand: float, result: float) -> None:
    got = HALF.relu(np.array([operand], np.float16))
    assert got.tobytes() == np.array([result], np.float16).tobytes()


def test_relu_keeps_only_nans_without_a_sign() -> None:
    positive, negative = np.array([0x7E00, 0xFE00], np.uint16).view(np.float16)
    got = HALF.relu(np.array([positive, negative]))
    assert np.isnan(got[0])
    assert got[1] == 0


@pytest.mark.parametrize(("large", "held"), [(65504, 65504), (65519.9, 65504), (65520, np.inf)])
def test_what_is_too_large_becomes_infinite(large: float, held: float) -> None:
    assert narrow(np.array([large, -large], np.float32), np.float16).tolist() == [held, -held]


def test_infinity_reaches_the_output_without_a_warning() -> None:
    case = sample(
        "(float[1, 4] x) => (float[1, 1] y) { y = MatMul(x, w) }",
        w=np.full((4, 1), 3e4, np.float32),
    )
    executable = backends.create("pim.hbm").prepare(case.stage)
    (result,) = executable([np.full((1, 4), 3e4, np.float16)])
    assert result.tolist() == [[np.inf]]


def _nearest_half(exact: float) -> float:
    """Round by hand: the multiple of the spacing at `exact` that is nearest, ties to even."""
    if exact == 0:
        return 0.0
    exponent = max(int(np.floor(np.log2(abs(exact)))), -14)
    spacing = 2.0 ** (exponent - 10)
    rounded = float(round(exact / spacing) * spacing)
    return float(np.copysign(np.inf, exact)) if abs(rounded) > 65504 else rounded

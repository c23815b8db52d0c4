"""The fast arithmetic of PIM devices, against exact sums and scalar rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stagecut import backends
from stagecut.backends.pim.numerics import Fast, product_error
from stagecut.backends.rounding import held
from stagecut.compiler.ir.device import Tensor
from tests.support.nodes import sample

HALF = Fast(np.dtype(np.float16))
halves = arrays.arrays(
    np.float32,
    st.integers(1, 40),
    elements=st.floats(width=16, allow_nan=False, allow_infinity=False),
)


@given(st.integers(1, 6), st.integers(1, 200), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_a_product_is_within_its_error_bound(rows: int, inner: int, outer: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-4, 2)
    activation = held(rng.standard_normal((rows, inner)) * scale, np.float16)
    matrix = rng.standard_normal((inner, outer)).astype(np.float32)
    result = HALF.product(matrix)(activation)
    exact_activation, exact_weight = (
        a.astype(np.float16).astype(np.float64) for a in (activation, matrix)
    )
    error = np.abs(result - exact_activation @ exact_weight)
    assert (error <= product_error(exact_activation, exact_weight)).all()


@given(halves, st.sampled_from(["add", "sub", "mul"]), st.integers(0, 2**32 - 1))
def test_an_operation_on_two_numbers_rounds_once(first: Tensor, kind: str, seed: int) -> None:
    second = np.random.default_rng(seed).permutation(first)
    result = getattr(HALF, kind)(first, second)
    for got, a, b in zip(result, first.tolist(), second.tolist(), strict=True):
        exact = {"add": a + b, "sub": a - b, "mul": a * b}[kind]  # of 11 bits each: exact in 53
        assert got == _nearest_half(exact)


@pytest.mark.parametrize(
    ("operand", "result"),
    [(-0.0, 0.0), (-1.5, 0.0), (2.5, 2.5), (0.0, 0.0), (-np.inf, 0.0), (np.inf, np.inf)],
)
def test_relu_clears_whatever_has_its_sign_set(operand: float, result: float) -> None:
    got = HALF.relu(np.array([operand], np.float32))
    assert got.tobytes() == np.array([result], np.float32).tobytes()


def test_relu_keeps_only_nans_without_a_sign() -> None:
    numbers = np.array([0x7FC00000, 0xFFC00000], np.uint32).view(np.float32)
    got = HALF.relu(numbers)
    assert np.isnan(got[0])
    assert got[1] == 0


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

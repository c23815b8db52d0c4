"""`numerics=exact` against vectors that stand here, and against a second, scalar arithmetic."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut import backends
from stagecut.backends.pim.hbm.exact import LaneOrder
from stagecut.compiler.ir.device import Tensor
from tests.support import lane_order
from tests.support.hbm import GEOMETRY
from tests.support.lane_order import half, row
from tests.support.nodes import sample

PLAIN, TREE = (LaneOrder(np.float16, GEOMETRY, tree) for tree in (False, True))

#: Six products of 300 numbers each: two full tiles and a part of a third.
VECTOR, COLUMNS = row(300, 1), [row(300, 10 + column) for column in range(6)]
A, B, C = row(6, 2), row(6, 3), row(6, 4)

#: What the hardware makes of them, in bits; a scalar reference gives the same.
GOLDEN: dict[str, tuple[str, Callable[[], Tensor], Callable[[], list[float]]]] = {
    "gemv": (
        "d1e2 4f5e ce74 55e4 c5c4 50e3",
        lambda: _product(PLAIN),
        lambda: [lane_order.gemv(VECTOR, column) for column in COLUMNS],
    ),
    "tree": (
        "d1e4 4f5e ce79 55e2 c5d4 50e6",
        lambda: _product(TREE),
        lambda: [lane_order.gemv(VECTOR, column, tree=True) for column in COLUMNS],
    ),
    "add": (
        "c2e4 b990 c1f0 c1a3 42b0 40f2",
        lambda: PLAIN.add(_halves(A), _halves(B)),
        lambda: [half(a + b) for a, b in zip(A, B, strict=True)],
    ),
    "sub": (
        "c41c 43ac a7c0 3c7e 3d18 4184",
        lambda: PLAIN.sub(_halves(A), _halves(B)),
        lambda: [half(a - b) for a, b in zip(A, B, strict=True)],
    ),
    "mul": (
        "bd07 c31e 4069 3eae 40c8 b602",
        lambda: PLAIN.mul(_halves(A), _halves(B)),
        lambda: [half(a * b) for a, b in zip(A, B, strict=True)],
    ),
    "multiply-add, which a fused one would miss in three places": (
        "c4d0 bea2 3a22 bdb2 404e c28e",
        lambda: PLAIN.multiply_add(_halves(A), _halves(B), _halves(C)),
        lambda: [lane_order.multiply_add(*abc) for abc in zip(A, B, C, strict=True)],
    ),
    "relu": (
        "0000 3e48 0000 0000 409e 413b",
        lambda: PLAIN.relu(_halves(A)),
        lambda: list(map(lane_order.relu, A)),
    ),
}


@pytest.mark.parametrize(("bits", "device", "scalar"), GOLDEN.values(), ids=GOLDEN.keys())
def test_golden_vectors(
    bits: str, device: Callable[[], Tensor], scalar: Callable[[], list[float]]
) -> None:
    assert _bits(device()) == bits
    assert lane_order.bits(scalar()) == bits


@given(st.integers(1, 700), st.integers(1, 4), st.integers(0, 2**31 - 1), st.booleans())
def test_products_of_any_length(inner: int, outer: int, seed: int, tree: bool) -> None:
    vector, columns = row(inner, seed), [row(inner, seed + 1 + index) for index in range(outer)]
    arithmetic = TREE if tree else PLAIN
    got = arithmetic.product(_matrix(columns))(_halves(vector)[None])
    assert _bits(got) == lane_order.bits(
        [lane_order.gemv(vector, column, tree=tree) for column in columns]
    )


@given(st.lists(st.floats(width=16, allow_nan=False), min_size=1, max_size=40))
def test_the_whole_range_of_numbers(numbers: list[float]) -> None:
    """Subnormal, huge and infinite ones; sums that are not a number have no order."""
    expected = lane_order.gemv(numbers, numbers[::-1])
    with np.errstate(invalid="ignore"):
        got = PLAIN.product(_matrix([numbers[::-1]]))(_halves(numbers)[None])[0]
    assert np.isnan([expected, *got]).all() or lane_order.bits([expected]) == _bits(got)


def test_rows_do_not_depend_on_each_other() -> None:
    rows = np.stack([_halves(row(200, seed)) for seed in range(12)])
    product = PLAIN.product(_matrix([row(200, 50 + column) for column in range(700)]))
    together = product(rows)
    assert together.shape == (12, 700)
    for index in range(12):
        assert _bits(together[index]) == _bits(product(rows[[index]]))


def test_the_spec_chooses_the_arithmetic() -> None:
    weight = np.array(COLUMNS, np.float32).T
    case = sample("(float[1, 300] x) => (float[1, 6] y) { y = MatMul(x, w) }", w=weight)
    answers = {
        spec: _bits(backends.create(spec).prepare(case.stage)([np.array([VECTOR], np.float16)])[0])
        for spec in ("pim.hbm", "pim.hbm:numerics=exact", "pim.hbm:numerics=exact,tree=on")
    }
    assert answers["pim.hbm:numerics=exact"] == GOLDEN["gemv"][0]
    assert answers["pim.hbm:numerics=exact,tree=on"] == GOLDEN["tree"][0]
    assert len(set(answers.values())) == 3


def _product(arithmetic: LaneOrder) -> Tensor:
    return arithmetic.product(_matrix(COLUMNS))(_halves(VECTOR)[None])


def _halves(numbers: list[float]) -> Tensor:
    return np.array(numbers, np.float32)


def _matrix(columns: list[list[float]]) -> Tensor:
    return np.array(columns, np.float32).T


def _bits(numbers: Tensor) -> str:
    assert (numbers.astype(np.float16) == numbers).all()
    return lane_order.bits(numbers.ravel().tolist())

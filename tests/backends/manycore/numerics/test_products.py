"""Products of a many-core device, against float64 within the bounds, and one lane at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends.manycore.numerics.formats import FORMATS, Format
from stagecut.backends.manycore.numerics.products import TILE_BYTES, product_error, products
from stagecut.backends.rounding import narrow
from stagecut.compiler.ir.device import Tensor

forms = st.sampled_from(list(FORMATS.values()))


@given(forms, st.booleans(), *(st.integers(1, most) for most in (3, 150, 4)), st.integers(0, 99))
def test_a_product_is_within_its_bound(
    form: Format, exact: bool, rows: int, inner: int, outer: int, seed: int
) -> None:
    left, right = _numbers(form, seed, rows, inner, outer)
    result = products(form, exact=exact).by(right)(left)
    a, b = left.astype(np.longdouble), right.astype(np.longdouble)
    assert (np.abs(result - a @ b) <= product_error(a, b, form, exact=exact)).all()
    assert (form.held(result) == result).all()


@given(st.sampled_from(["fp8", "fp8_e5m2", "fp16", "fp32"]), st.integers(1, 40), st.integers(0, 99))
def test_an_exact_product_adds_up_lane_by_lane(name: str, inner: int, seed: int) -> None:
    form = FORMATS[name]
    left, right = _numbers(form, seed, 2, inner, 3)
    result = products(form, exact=True).both(left[None], right[None])[0]
    expected = [[_dot(row, column, form) for column in right.T] for row in left]
    assert result.tolist() == expected


@pytest.mark.parametrize("name", ["fp16", "fp8"])
def test_results_are_stored_between_tiles_of_the_inner_dimension(name: str) -> None:
    """Each tile adds half a unit to the stored 1, which is lost when it is stored between them."""
    form = FORMATS[name]
    tile = TILE_BYTES // form.stored.itemsize
    left = np.ones((1, tile + 1), np.float32)
    right = np.zeros((tile + 1, 1), np.float32)
    right[:2, 0] = [1.0, form.unit]  # which is dropped when 1 + unit is stored
    right[tile, 0] = form.unit
    assert products(form, exact=True).by(right)(left).tolist() == [[1.0]]
    assert products(form, exact=False).by(right)(left).tolist() == [[1.0 + 2 * form.unit]]


def test_a_scale_comes_before_the_result_is_rounded() -> None:
    """300 is too large for E4M3, 30 is not."""
    left, right = np.full((1, 1, 1), 20.0, np.float32), np.full((1, 1, 1), 15.0, np.float32)
    for exact in (False, True):
        scaled = products(FORMATS["fp8"], exact=exact).both(left, right, 0.1)
        assert scaled.tolist() == [[[30.0]]]


def test_onto_adds_to_what_is_stored() -> None:
    left, right = np.full((1, 1, 2), 2.0, np.float32), np.full((1, 2, 1), 1.0, np.float32)
    for exact in (False, True):
        for form in FORMATS.values():
            ones = np.ones((1, 1, 1), form.computed)
            numbers = [np.asarray(x, form.computed) for x in (left, right)]
            assert products(form, exact=exact).onto(ones, *numbers).tolist() == [[[5.0]]]


def _numbers(form: Format, seed: int, rows: int, inner: int, outer: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-2, 1)
    return (
        form.held(rng.standard_normal((rows, inner)) * scale),
        form.held(rng.standard_normal((inner, outer))),
    )


def _dot(row: Tensor, column: Tensor, form: Format) -> float:
    """One output by hand: lanes of the wider format, then pairs in FP32; of doubles, which hold
    every sum here without rounding."""
    terms = [float(a) * float(b) for a, b in zip(row, column, strict=True)]
    terms += [0.0] * (-len(terms) % form.lanes)
    lanes = [0.0] * (form.lanes // form.terms)
    for step in range(0, len(terms), form.lanes):
        for lane in range(len(lanes)):
            at = step + lane * form.terms
            lanes[lane] = _stored(sum(terms[at : at + form.terms], lanes[lane]), form.sums)
    while len(lanes) > 1:
        lanes = [_stored(a + b, np.float32) for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
    return _stored(lanes[0], form.stored)


def _stored(number: float, dtype: object) -> float:
    return float(narrow(np.array([number]), dtype).astype(np.float64)[0])  # type: ignore[arg-type]

"""FlashAttention-2 of every format, against the whole softmax in float64 within its bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends.manycore.numerics.attention import FlashAttention, attention_error
from stagecut.backends.manycore.numerics.formats import FORMATS, Format
from stagecut.backends.manycore.numerics.products import products
from stagecut.compiler.ir.device import Tensor

forms = st.sampled_from(list(FORMATS.values()))


@given(
    forms,
    st.booleans(),
    *(st.integers(1, most) for most in (4, 13, 9, 6)),  # rows, keys, width, keys a tile
    st.integers(0, 99),
)
def test_attention_is_within_its_bound_with_tails_of_tiles(
    form: Format, exact: bool, rows: int, keys: int, width: int, tile: int, seed: int
) -> None:
    query, key, value = _numbers(form, seed, (2, rows, width), (2, keys, width), (2, keys, 3))
    scale = width**-0.5
    kernel = FlashAttention(products(form, exact=exact), form, tile)
    result = kernel(query, key, value, scale=scale)
    q, k, v = (array.astype(np.longdouble) for array in (query, key, value))
    bound = attention_error(q, k, v, kernel, exact=exact, scale=scale)
    assert (np.abs(result - _whole(q, k, v, scale)) <= bound).all()


@pytest.mark.parametrize("name", ["fp64", "fp32"])
def test_the_bound_says_something(name: str) -> None:
    form = FORMATS[name]
    query, key, value = _numbers(form, 0, (1, 8, 16), (1, 50, 16), (1, 50, 16))
    kernel = FlashAttention(products(form, exact=True), form, 16)
    bound = attention_error(query, key, value, kernel, exact=True, scale=0.25)
    assert bound.max() < 5000 * form.unit


@pytest.mark.parametrize("exact", [False, True])
def test_a_growing_maximum_shrinks_what_was_added_up_before(exact: bool) -> None:
    """Divided instead of multiplied, the first tile would count exp(16) times too much."""
    key = np.array([[[0.0], [0.0], [8.0], [8.0]]], np.float32)
    value = np.array([[[1.0], [1.0], [0.0], [0.0]]], np.float32)
    form = FORMATS["fp32"]
    kernel = FlashAttention(products(form, exact=exact), form, tile=2)
    result = kernel(np.ones((1, 1, 1), np.float32), key, value)
    np.testing.assert_allclose(result, np.exp(-8) / (1 + np.exp(-8)), rtol=1e-5)


@given(forms, st.booleans(), st.integers(1, 9), st.integers(1, 5))
def test_a_causal_row_does_not_see_what_comes_later(
    form: Format, exact: bool, rows: int, tile: int
) -> None:
    query, key, value = _numbers(form, 1, (1, rows, 4), (1, rows, 4), (1, rows, 2))
    kernel = FlashAttention(products(form, exact=exact), form, tile)
    result = kernel(query, key, value, scale=0.5, causal=True)
    for row in range(rows):
        seen = kernel(query[:, [row]], key[:, : row + 1], value[:, : row + 1], scale=0.5)
        assert (result[:, [row]] == seen).all() or not exact
        np.testing.assert_allclose(result[:, [row]], seen, atol=4 * form.unit * np.abs(value).max())


def test_a_mask_is_added_to_the_scores_of_each_tile() -> None:
    form = FORMATS["fp32"]
    query, key, value = _numbers(form, 2, (2, 3, 4), (2, 7, 4), (2, 7, 4))
    mask = np.random.default_rng(3).standard_normal((1, 3, 7)).astype(np.float32)
    kernel = FlashAttention(products(form, exact=False), form, tile=3)
    result = kernel(query, key, value, scale=0.5, mask=mask)
    np.testing.assert_allclose(result, _whole(query, key, value, 0.5, mask), atol=1e-5)


def test_a_tile_that_is_hidden_altogether_counts_nothing_and_a_row_without_keys_is_nan() -> None:
    form = FORMATS["fp32"]
    query, key, value = _numbers(form, 4, (1, 2, 4), (1, 4, 4), (1, 4, 4))
    mask = np.array([[[-np.inf] * 2 + [0.0] * 2, [-np.inf] * 4]], np.float32)
    kernel = FlashAttention(products(form, exact=False), form, tile=2)
    with np.errstate(invalid="ignore"):
        result = kernel(query, key, value, mask=mask)
    seen = kernel(query, key[:, 2:], value[:, 2:])
    np.testing.assert_allclose(result[:, 0], seen[:, 0], rtol=1e-6)
    assert np.isnan(result[:, 1]).all()


def _numbers(form: Format, seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    return [form.held(rng.standard_normal(shape) * 2) for shape in shapes]


def _whole(
    query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Tensor | float = 0.0
) -> Tensor:
    scores = scale * (query @ key.swapaxes(1, 2)) + mask
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Tensor = weights / weights.sum(axis=-1, keepdims=True) @ value
    return result

"""i-GELU, LayerNorm and softmax of every format, against float64 within their bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erf

from stagecut.backends.manycore.numerics.formats import FORMATS, Format
from stagecut.backends.manycore.numerics.functions import (
    GELU_ERROR,
    i_gelu,
    layer_norm,
    layer_norm_error,
    softmax,
    softmax_error,
)
from stagecut.compiler.ir.device import Tensor

forms = st.sampled_from(list(FORMATS.values()))
LINE = np.linspace(-12, 12, 20001)


def test_i_gelu_is_off_by_no_more_than_is_said_and_by_nearly_that_somewhere() -> None:
    off = np.abs(i_gelu(LINE, FORMATS["fp64"]) - _gelu(LINE)).max()
    assert 0.99 * GELU_ERROR < off <= GELU_ERROR


def test_i_gelu_beside_gelu_by_tanh() -> None:
    inner = np.sqrt(2 / np.pi) * (LINE + 0.044715 * LINE**3)
    by_tanh = 0.5 * LINE * (1 + np.tanh(inner))
    off = np.abs(i_gelu(LINE, FORMATS["fp64"]) - by_tanh).max()
    assert off <= GELU_ERROR + 0.0005


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
def test_i_gelu_is_rounded_once_when_it_is_stored(form: Format) -> None:
    stored = form.held(LINE)
    exact = i_gelu(stored.astype(np.float64), FORMATS["fp64"])
    once = np.maximum(np.abs(exact) * form.unit, form.tiny)
    assert (np.abs(i_gelu(stored, form) - exact) <= once).all()


@given(forms, st.integers(1, 3), st.integers(8, 60), st.integers(0, 99))
def test_layer_norm_is_within_its_bound(form: Format, rows: int, width: int, seed: int) -> None:
    x, scale, bias = _numbers(form, seed, (rows, width), (width,), (width,))
    x += form.rounded(np.linspace(-1, 1, width).astype(form.computed))  # so that no row is constant
    x = form.held(x)
    result = form.rounded(layer_norm(x, scale, bias, 0.0, 1))
    a, b, c = (array.astype(np.longdouble) for array in (x, scale, bias))
    assert (np.abs(result - layer_norm(a, b, c, 0.0, 1)) <= layer_norm_error(a, b, c, form)).all()


@given(forms, st.integers(1, 3), st.integers(1, 60), st.integers(0, 99))
def test_softmax_is_within_its_bound(form: Format, rows: int, width: int, seed: int) -> None:
    (x,) = _numbers(form, seed, (rows, width))
    result = form.rounded(softmax(x, -1))
    exact = softmax(x.astype(np.longdouble), -1)
    assert (np.abs(result - exact) <= softmax_error(x.astype(np.longdouble), form, -1)).all()


def test_layer_norm_over_several_dimensions_has_no_bias_where_none_is_given() -> None:
    x = np.arange(12, dtype=np.float64).reshape(1, 3, 4)
    result = layer_norm(x, np.ones((3, 4)), None, 1e-5, 2)
    np.testing.assert_allclose(result, (x - 5.5) / np.sqrt(x.var() + 1e-5))


def _gelu(x: Tensor) -> Tensor:
    result: Tensor = 0.5 * x * (1 + erf(x / np.sqrt(2)))
    return result


def _numbers(form: Format, seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    return [form.held(rng.standard_normal(shape)) for shape in shapes]

"""Row-wise and element-wise kernels of a many-core device.

They read stored numbers, compute in FP32 (FP64 for FP64; i-GELU always, as the kernel that was
measured is scalar FP64), and store the result, which rounds once more. The library's order of
additions is not followed: `exact` and `fast` are the same here.
"""

import numpy as np

from stagecut.backends.manycore.numerics.formats import Format
from stagecut.compiler.ir.device import Tensor

#: i-GELU's second-order polynomial for erf (S. Kim et al., I-BERT, ICML 2021, equation 6).
_A, _B = -0.2888, -1.769

#: How far i-GELU is from GELU, at most, before the result is stored.
GELU_ERROR = 0.0183


def i_gelu(x: Tensor, form: Format) -> Tensor:
    """x (1 + L(x / sqrt 2)) / 2, where L(x) = sgn(x) (a (min(|x|, -b) + b)^2 + 1).

    Off by at most GELU_ERROR from GELU by erf, and by that and 0.0005 from GELU by tanh; then it
    is stored.
    """
    wide = x.astype(np.float64)
    inner = wide / np.sqrt(2.0)
    poly = _A * (np.minimum(np.abs(inner), -_B) + _B) ** 2 + 1
    return form.rounded((0.5 * wide * (1 + np.sign(inner) * poly)).astype(form.computed))


def layer_norm(x: Tensor, scale: Tensor, bias: Tensor | None, epsilon: float, axes: int) -> Tensor:
    """Over the last `axes` dimensions; not yet stored."""
    over = tuple(range(-axes, 0))
    mean = x.mean(axis=over, keepdims=True)
    centred = x - mean
    variance = np.square(centred).mean(axis=over, keepdims=True)
    normal = centred / np.sqrt(variance + x.dtype.type(epsilon)) * scale
    return np.asarray(normal if bias is None else normal + bias)


def softmax(x: Tensor, axis: int) -> Tensor:
    """exp(x - m) / l, with m the maximum and l the sum; not yet stored."""
    weights = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(weights / weights.sum(axis=axis, keepdims=True))


def softmax_error(x: Tensor, form: Format, axis: int) -> Tensor:
    """A bound on the absolute error of a stored softmax of stored numbers: a rounding of each
    difference, exponential, and sum (n for n numbers), a division, and half a unit of the result.
    """
    small = 2.0 ** (-52 if form.computed == np.float64 else -23)
    exact = softmax(x, axis)
    span = x.max(axis=axis, keepdims=True) - x.min(axis=axis, keepdims=True)
    off = exact * np.expm1(small * (span + x.shape[axis] + 4))
    return np.asarray(off + np.maximum((exact + off) * form.unit, form.tiny))


def layer_norm_error(x: Tensor, scale: Tensor, bias: Tensor, form: Format) -> Tensor:
    """A bound on the absolute error of a stored LayerNormalization over the last dimension, of
    stored numbers.

    With n numbers and c the rounding of FP32, the mean is off by n c of the mean magnitude, which
    the deviation divides; the deviation itself by n c of itself. Holds where n c of the largest
    number is small beside the deviation.
    """
    small = 2.0 ** (-52 if form.computed == np.float64 else -23)
    count = x.shape[-1]
    deviation = x.std(axis=-1, keepdims=True)
    normal = (x - x.mean(axis=-1, keepdims=True)) / deviation
    moved = small * count * np.abs(x).max(axis=-1, keepdims=True) / deviation
    off = (moved + np.abs(normal) * (small * (count + 6) + moved)) * np.abs(scale)
    size = np.abs(normal * scale) + np.abs(bias) + off
    return np.asarray(off + small * size + np.maximum(size * form.unit, form.tiny))

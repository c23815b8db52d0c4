"""Weights in few bits, of random numbers."""

import numpy as np
import onnx_ir as ir

from stagecut.compiler.formats.quantised_tensor import Form, QuantisedMatrix, QuantisedTensor


def quantised_matrix(form: Form, seed: int = 0) -> QuantisedMatrix:
    rng = np.random.default_rng(seed)
    low, high = (-128, 128) if form.block is None else (0, 256)
    values = rng.integers(low, high, form.values[1]).astype(form.values[0].numpy())
    scales = rng.standard_normal(form.scales[1]).astype(np.float32)
    return QuantisedMatrix(form, ir.Tensor(values), ir.Tensor(scales))


def quantised_tensor(
    name: str,
    *,
    inner: int = 40,
    outer: int = 24,
    bits: int = 4,
    block: int | None = 32,
    turned: bool = False,
) -> QuantisedTensor:
    """The last block of a column may be short."""
    matrix = quantised_matrix(Form(inner, outer, bits, block))
    return QuantisedTensor(name, matrix, turned=turned)

"""Weights in few bits: of random numbers, and as stages hold them."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from stagecut.compiler.formats.quantised_tensor import Form, QuantisedMatrix, QuantisedTensor
from stagecut.compiler.formats.weights import model_bytes, put_in_place, write_weights
from stagecut.compiler.ir.device import StageProgram


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


def as_in_a_plan(stage: StageProgram, folder: Path) -> StageProgram:
    """As it comes out of a plan."""
    model = stage.model.clone()
    [file] = write_weights([model], folder)
    file.refer(model.graph)
    again = ir.from_proto(onnx.load_model_from_string(model_bytes(model)))
    assert put_in_place(again, file.region) is None
    return StageProgram(stage.name, again, stage.inputs, stage.outputs)


def in_few_bits(stage: StageProgram) -> set[str]:
    """The weights that it holds so, by name."""
    weights = stage.model.graph.initializers.items()
    return {name for name, value in weights if isinstance(value.const_value, QuantisedTensor)}

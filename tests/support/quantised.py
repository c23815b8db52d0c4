"""Weights in few bits: of random numbers, and as stages hold them."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
from onnx import numpy_helper

from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.formats.quantised_tensor import Form, QuantisedMatrix, QuantisedTensor
from stagecut.compiler.formats.weights import model_bytes, put_in_place, write_weights
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.onnx_runtime import quantization


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


def tools_own_model(matrix: Tensor, scheme: Scheme) -> onnx.ModelProto:
    """What onnxruntime's own tools make of a product with the matrix, in a scheme's blocks or
    columns."""
    inner, outer = matrix.shape
    text = f"""<ir_version: 10, opset_import: ["": 20]>
        product (float[rows, {inner}] x) => (float[rows, {outer}] y) {{ y = MatMul(x, w) }}"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(matrix), "w"))
    if scheme.block is None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "product.onnx"
            quantization().quantize_dynamic(
                model,
                path,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                reduce_range=scheme.narrow,
            )
            return onnx.load(path)
    tool = quantization().matmul_nbits_quantizer
    config = tool.DefaultWeightOnlyQuantConfig(
        block_size=scheme.block, is_symmetric=True, bits=scheme.bits
    )
    quantiser = tool.MatMulNBitsQuantizer(model, algo_config=config)
    quantiser.process()
    made: onnx.ModelProto = quantiser.model.model
    return made


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

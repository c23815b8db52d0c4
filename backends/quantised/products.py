"""Products with weights in few bits: which those of a stage are, and what onnxruntime's own tools
make of their weights, one at a time.

Whoever needs the same weight again while it is in use shares it. The only module that imports
onnxruntime.quantization; it is loaded when first needed.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from stagecut.backends.quantised.scheme import Matrix, Scheme
from stagecut.compiler.formats.mapped_tensor import MappedTensor, sha256
from stagecut.compiler.formats.node_ranges import read_range
from stagecut.compiler.formats.quantised_tensor import Form, QuantisedMatrix, QuantisedTensor
from stagecut.compiler.ir.device import Tensor, as_array, dtype_name
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.onnx_runtime import quantization

#: The operator that a product in blocks becomes.
QUANTISED = "MatMulNBits"

#: Of the model with one product: any version that has the operators of all schemes.
_OPSET, _IR_VERSION = 20, 10

#: Weights of 7 bits, as onnxruntime's quantiser has them.
_MOST_NARROW = 64

#: Tensors below this stay inside the stage's model.
_SMALLEST_BYTES = 1024


#: Those in use, by what matrix it is, and what the scheme makes of it.
_in_use: WeakValueDictionary[tuple[str, int, int | None, bool], QuantisedMatrix] = (
    WeakValueDictionary()
)


@dataclass(frozen=True, eq=False)
class Target:
    """A product in a stage: `x` times `weight`, as [inner, outer]; `name` is the weight's. A
    convolution is one, too: of what lies under its kernel."""

    node: ir.Node
    x: ir.Value
    name: str
    tensor: ir.TensorProtocol

    @property
    def turned(self) -> bool:
        """Whether the tensor is [outer, inner]."""
        gemm = self.node.op_type == "Gemm" and bool(self.node.attributes.get_int("transB"))
        return gemm or bool(self.kernel)

    @property
    def kernel(self) -> tuple[int, ...]:
        """The shape of a row of the tensor, where it is a convolution's."""
        return tuple(self.tensor.shape.numpy())[1:] if self.node.op_type == "Conv" else ()

    @property
    def weight(self) -> Tensor:
        matrix = as_array(self.tensor)
        return matrix.reshape(len(matrix), -1).T if self.turned else matrix


def targets(graph: ir.Graph, scheme: Scheme) -> Iterator[Target]:
    """The products in a stage that the scheme is for; where it is calibrated, of which it is known
    what they read."""
    version = graph.opset_imports.get("", 0)
    for node in graph:
        x, weight, *_ = (*node.inputs, None, None)
        if node.domain or x is None or weight is None or weight.const_value is None:
            continue
        if scheme.calibrated and read_range(node) is None:
            continue
        tensor = weight.const_value
        matrix = Matrix(dtype_name(tensor.dtype), tuple(tensor.shape.numpy()))
        plain = {name: attribute.value for name, attribute in node.attributes.items()}
        if scheme.fits(node.op_type, version, plain, matrix):
            yield Target(node, x, str(weight.name), tensor)


def quantised_matrix(target: Target, scheme: Scheme) -> QuantisedMatrix:
    """What the product multiplies with: as the weight is held, where it is in few bits already,
    and else as a tool quantises it. Raises EngineError where a tool leaves it as it is."""
    tensor = target.tensor
    if isinstance(tensor, QuantisedTensor) and _is_held(tensor, target, scheme):
        return tensor.matrix
    weight = target.weight
    key = _identity(target), scheme.bits, scheme.block, scheme.narrow
    found = _in_use.get(key)
    if found is None:
        written = _written(weight, scheme)
        if written is None:
            raise EngineError(
                "onnxruntime's quantiser leaves the product as it is",
                where=f"operator {target.node.name}",
                fix="forbid the node on the device",
            )
        inner, outer = weight.shape
        form = Form(inner, outer, scheme.bits, scheme.block)
        narrow = ".narrow" if scheme.narrow else ""
        found = _in_use[key] = _in_form(form, *written, f"{key[0]}{narrow}")
    return found


def _is_held(tensor: QuantisedTensor, target: Target, scheme: Scheme) -> bool:
    """Whether it is held as the scheme has it; numbers of 8 bits are no weights of 7."""
    form = tensor.matrix.form
    held = form.bits, form.block, tensor.turned
    if held != (scheme.bits, scheme.block, target.turned):
        return False
    return not scheme.narrow or _is_narrow(tensor.matrix)


def _is_narrow(matrix: QuantisedMatrix) -> bool:
    """Whether no sum of two products with it exceeds 16 bits."""
    values = matrix.values.numpy()
    return bool(values.min() >= -_MOST_NARROW and values.max() <= _MOST_NARROW)


def _identity(target: Target) -> str:
    """Of the matrix: other ones may be of the same numbers."""
    shape = "x".join(map(str, target.weight.shape))
    return f"{sha256(target.tensor)}.{shape}{'.turned' if target.turned else ''}"


def _written(matrix: Tensor, scheme: Scheme) -> tuple[Tensor, Tensor] | None:
    """Values and scales by the tool that the scheme names; None where it makes none."""
    with _quiet():
        return _in_columns(matrix, scheme) if scheme.block is None else _in_blocks(matrix, scheme)


def _in_columns(matrix: Tensor, scheme: Scheme) -> tuple[Tensor, Tensor]:
    """As `quantize_dynamic` makes them, by the functions that it calls for each column."""
    tool, kind = quantization().quant_utils, onnx.TensorProto.INT8
    least, most = tool.get_qmin_qmax_for_qType(kind, scheme.narrow, symmetric=True)
    ends = zip(matrix.min(axis=0), matrix.max(axis=0), strict=True)
    found = [tool.compute_scale_zp(low, high, least, most, symmetric=True)[1] for low, high in ends]
    scales = np.array(found, np.float32)
    return tool.quantize_nparray(kind, matrix, scales, 0), scales


def _in_blocks(matrix: Tensor, scheme: Scheme) -> tuple[Tensor, Tensor] | None:
    """As `MatMulNBitsQuantizer` makes them of a model with one product."""
    inner, outer = matrix.shape
    one, kind = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
        "product",
        [one("x", kind, ["rows", inner])],
        [one("y", kind, ["rows", outer])],
        [numpy_helper.from_array(np.ascontiguousarray(matrix), "w")],
    )
    imports = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=_IR_VERSION)
    tool = quantization().matmul_nbits_quantizer
    config = tool.DefaultWeightOnlyQuantConfig(
        block_size=scheme.block, is_symmetric=True, bits=scheme.bits
    )
    quantiser = tool.MatMulNBitsQuantizer(model, algo_config=config)
    quantiser.process()
    written = quantiser.model.model.graph
    made = next((node for node in written.node if node.op_type == QUANTISED), None)
    if made is None:
        return None
    arrays = {each.name: numpy_helper.to_array(each) for each in written.initializer}
    return arrays[made.input[1]], arrays[made.input[2]]


@contextmanager
def _quiet() -> Iterator[None]:
    """The tools log what they do, and one sets up logging for the whole process when it is
    imported, which it leaves alone where that has been done."""
    disabled, handler = logging.root.manager.disable, logging.NullHandler()
    logging.root.addHandler(handler)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        logging.root.removeHandler(handler)


def _in_form(form: Form, values: Tensor, scales: Tensor, identity: str) -> QuantisedMatrix:
    """Large ones as files that lie in memory, so that sessions share them."""
    location = f"{identity}.{form.bits}.{form.block}"
    return QuantisedMatrix(
        form,
        _in_memory(values.reshape(form.values[1]), f"{location}.values"),
        _in_memory(scales.reshape(form.scales[1]), f"{location}.scales"),
    )


def _in_memory(array: Tensor, location: str) -> ir.TensorProtocol:
    if array.nbytes < _SMALLEST_BYTES:
        return ir.Tensor(array)
    # engines that read it in place want memory that could be written
    region, dtype = memoryview(bytearray(array.tobytes())), ir.DataType.from_numpy(array.dtype)
    return MappedTensor(region, location, 0, dtype, ir.Shape(array.shape), "")

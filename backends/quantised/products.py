"""Products with quantised weights: what onnxruntime's own tools make of one at a time.

    y = MatMul(x, W)     blocks:    y = MatMulNBits(x, W in int8 or int4, scales)
                         dynamic:   q, s, z = DynamicQuantizeLinear(x); i = MatMulInteger(q, W, z)
                                    y = Cast(i) * (s * scales)

One product at a time, so that whoever prepares the same weight again while it is in use shares it.
The only module that imports onnxruntime.quantization; it is loaded when first needed.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from stagecut.backends.quantised.scheme import Matrix, Scheme
from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.ir.device import Tensor, as_array, dtype_name
from stagecut.compiler.ir.errors import EngineError

#: The operators that a quantised product has one of.
_QUANTISED = frozenset({"MatMulNBits", "MatMulInteger"})

#: Of the model with one product: any version that has the operators of both schemes.
_OPSET, _IR_VERSION = 20, 10

#: Tensors below this stay inside the stage's model.
_SMALLEST_BYTES = 1024


@dataclass(frozen=True, eq=False)
class Product:
    """y = x @ W as the tools write it: a model with the input x and the output y. Its large
    initializers lie in memory, once for all that use it."""

    model: ir.Model


#: Those in use, by the digest of the weight and the scheme.
_in_use: WeakValueDictionary[tuple[str, Scheme], Product] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class Target:
    """A product in a stage: `x` times `weight`, as [inner, outer]; `name` is the weight's."""

    node: ir.Node
    x: ir.Value
    name: str
    tensor: ir.TensorProtocol

    @property
    def turned(self) -> bool:
        """Whether the tensor is [outer, inner]."""
        return self.node.op_type == "Gemm" and bool(self.node.attributes.get_int("transB"))

    @property
    def weight(self) -> Tensor:
        matrix = as_array(self.tensor)
        return matrix.T if self.turned else matrix


def targets(graph: ir.Graph, scheme: Scheme) -> Iterator[Target]:
    """The products in a stage that the scheme is for."""
    version = graph.opset_imports.get("", 0)
    for node in graph:
        x, weight, *_ = (*node.inputs, None, None)
        if node.domain or x is None or weight is None or weight.const_value is None:
            continue
        tensor = weight.const_value
        matrix = Matrix(dtype_name(tensor.dtype), tuple(tensor.shape.numpy()))
        plain = {name: attribute.value for name, attribute in node.attributes.items()}
        if scheme.fits(node.op_type, version, plain, matrix):
            yield Target(node, x, str(weight.name), tensor)


def product(matrix: Tensor, scheme: Scheme, name: str) -> Product:
    """`matrix` is [inner, outer]; raises EngineError where a tool leaves it as it is."""
    key = digest(matrix), scheme
    found = _in_use.get(key)
    if found is None:
        written = _written(matrix, scheme)
        if not any(node.op_type in _QUANTISED for node in written.graph.node):
            raise EngineError(
                "onnxruntime's quantiser leaves the product as it is",
                where=f"operator {name}",
                fix="forbid the node on the device",
            )
        found = _in_use[key] = Product(_in_memory(written, key[0]))
    return found


def digest(matrix: Tensor) -> str:
    """Of its shape, too: matrices of equal numbers may be of different ones."""
    found = hashlib.sha256(str(matrix.shape).encode())
    found.update(np.ascontiguousarray(matrix).data)
    return found.hexdigest()


def _written(matrix: Tensor, scheme: Scheme) -> onnx.ModelProto:
    """By the tool that the scheme names."""
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
    with _quiet():
        return _dynamic(model) if scheme.block is None else _in_blocks(model, scheme)


def _in_blocks(model: onnx.ModelProto, scheme: Scheme) -> onnx.ModelProto:
    from onnxruntime.quantization import matmul_nbits_quantizer as tool

    config = tool.DefaultWeightOnlyQuantConfig(
        block_size=scheme.block,
        is_symmetric=True,
        bits=scheme.bits,
        accuracy_level=4 if scheme.activations == "int8" else 1,
    )
    quantiser = tool.MatMulNBitsQuantizer(model, algo_config=config)
    quantiser.process()
    written: onnx.ModelProto = quantiser.model.model
    return written


def _dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "product.onnx"
        quantize_dynamic(model, path, op_types_to_quantize=["MatMul"], per_channel=True)
        return onnx.load(path)


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


def _in_memory(written: onnx.ModelProto, digest: str) -> ir.Model:
    """The model with its large initializers as files that lie in memory, so that sessions share
    them."""
    model = ir.from_proto(written)
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor is None or tensor.nbytes < _SMALLEST_BYTES:
            continue
        region, shape = memoryview(tensor.tobytes()), ir.Shape(tensor.shape.numpy())
        location = f"{digest}.{name}"
        value.const_value = MappedTensor(region, location, 0, tensor.dtype, shape, name)
    return model

"""Stages with quantised weights: what onnxruntime's own tools make of one product at a time.

    y = MatMul(x, W)     blocks:    y = MatMulNBits(x, W in int8 or int4, scales)
                         dynamic:   q, s, z = DynamicQuantizeLinear(x); i = MatMulInteger(q, W, z)
                                    y = Cast(i) * (s * scales)
    y = Gemm(x, W, b)    y = MatMul(x, W) + b first, as the tools leave a Gemm as it is

One product at a time, so that whoever prepares the same weight again while it is in use shares it.
The only module that imports onnxruntime.quantization; it is loaded when first needed.
"""

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper
from onnx_ir.convenience import replace_nodes_and_values

from stagecut.backends.cpu.scheme import Matrix, Scheme
from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.ir.device import StageProgram, Tensor, as_array, dtype_name
from stagecut.compiler.ir.errors import EngineError

#: The operators that a quantised product has one of.
_QUANTISED = frozenset({"MatMulNBits", "MatMulInteger"})

#: ONNX Runtime's own operators, and their version.
_CONTRIB, _CONTRIB_VERSION = "com.microsoft", 1

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
_in_use: WeakValueDictionary[tuple[bytes, Scheme], Product] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class _Target:
    """A product in a stage: `x` times a weight."""

    node: ir.Node
    x: ir.Value
    weight: ir.TensorProtocol


def quantised(stage: StageProgram, scheme: Scheme) -> tuple[StageProgram, tuple[Product, ...]]:
    """The stage with all products quantised that the scheme is for, and what has to be kept while
    it is in use. Raises EngineError where a tool leaves one as it is."""
    model = stage.model.clone()
    found = [*_targets(model.graph, scheme)]
    if not found:
        return stage, ()
    products = tuple(_replaced(model.graph, target, scheme) for target in found)
    model.graph.opset_imports.setdefault(_CONTRIB, _CONTRIB_VERSION)
    _drop_unread(model.graph)
    return replace(stage, model=model), products


def _targets(graph: ir.Graph, scheme: Scheme) -> Iterator[_Target]:
    version = graph.opset_imports.get("", 0)
    for node in graph:
        x, weight, *_ = (*node.inputs, None, None)
        if node.domain or x is None or weight is None or weight.const_value is None:
            continue
        tensor = weight.const_value
        matrix = Matrix(dtype_name(tensor.dtype), tuple(tensor.shape.numpy()))
        plain = {name: attribute.value for name, attribute in node.attributes.items()}
        if scheme.fits(node.op_type, version, plain, matrix):
            yield _Target(node, x, tensor)


def _replaced(graph: ir.Graph, target: _Target, scheme: Scheme) -> Product:
    """Put the quantised product in the place of the target."""
    node, matrix = target.node, as_array(target.weight)
    if node.op_type == "Gemm" and node.attributes.get_int("transB"):
        matrix = matrix.T
    product = _product(matrix, scheme, str(node.name))
    copy = product.model.graph.clone()
    _name_apart(copy, str(node.outputs[0].name))
    for name, value in [*copy.initializers.items()]:
        copy.initializers.pop(name)
        graph.register_initializer(value)
    [x], [y] = copy.inputs, copy.outputs
    x.replace_all_uses_with(target.x)
    nodes = [*copy]
    copy.outputs.clear()
    copy.remove(nodes)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        added = ir.node("Add", [y, bias], name=f"{node.name}/bias")
        added.outputs[0].name = f"{y.name}/biased"
        nodes.append(added)
        [y] = added.outputs
    y.type, y.shape = node.outputs[0].type, node.outputs[0].shape
    replace_nodes_and_values(graph, node, [node], nodes, node.outputs, [y])
    return product


def _name_apart(graph: ir.Graph, prefix: str) -> None:
    """Every name of `graph` begins with that of what it is for."""
    for node in graph:
        node.name = f"{prefix}/{node.name}"
        for output in node.outputs:
            output.name = f"{prefix}/{output.name}"
    for name, value in [*graph.initializers.items()]:
        graph.initializers.pop(name)
        value.name = f"{prefix}/{name}"
        graph.register_initializer(value)


def _drop_unread(graph: ir.Graph) -> None:
    """The weights that were quantised, where nothing else reads them."""
    for name, value in [*graph.initializers.items()]:
        if not value.uses() and not value.is_graph_output():
            graph.initializers.pop(name)


def _product(matrix: Tensor, scheme: Scheme, name: str) -> Product:
    key = hashlib.sha256(np.ascontiguousarray(matrix).data).digest(), scheme
    found = _in_use.get(key)
    if found is None:
        written = _written(matrix, scheme)
        if not any(node.op_type in _QUANTISED for node in written.graph.node):
            raise EngineError(
                "onnxruntime's quantiser leaves the product as it is",
                where=f"operator {name}",
                fix="forbid the node on the device",
            )
        found = _in_use[key] = Product(_in_memory(written, key[0].hex()))
    return found


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

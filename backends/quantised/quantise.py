"""Stages with quantised weights, as operators: each product in the place of a MatMul or a Gemm.
Those in blocks are for ONNX Runtime alone.

y = MatMul(x, W)      blocks:    y = MatMulNBits(x, values, scales)
                      columns:   q, s, z = DynamicQuantizeLinear(x)
                                 y = Cast(MatMulInteger(q, values, z, 0)) * (s * scales)
y = Gemm(x, W, b)                the same + b

Where ranges of activations are known, x' is x through QuantizeLinear and DequantizeLinear, and
engines make products of integers of what stands between these:

y = MatMul(x, W)                 y = MatMul(x', DequantizeLinear(values, scales))
y = Relu(Conv(x, W, b))          y = Relu(Conv(x', DequantizeLinear(values, scales), b'))', b' in
                                     int32 with the scales of its sums
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir
from onnx_ir.convenience import replace_nodes_and_values

from stagecut.backends.quantised.products import QUANTISED, Target, quantised_matrix, targets
from stagecut.backends.quantised.scheme import Activations, Scheme
from stagecut.compiler.formats.node_ranges import Range, read_range, written_range
from stagecut.compiler.formats.quantised_tensor import QuantisedMatrix
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.onnx_runtime import quantization

#: ONNX Runtime's own operators, and their version.
_CONTRIB, _CONTRIB_VERSION = "com.microsoft", 1

#: How MatMulNBits multiplies: with activations in int8 in blocks, or in float32.
_ACCURACY_LEVEL = {"int8": 4, "f32": 1}

#: What engines make part of a convolution of integers.
_ACTIVATIONS = frozenset({"Relu", "Clip"})

#: Of a bias in int32, with room for the sums that it is added to.
_MOST_BIAS = 1 << 30


def quantised(
    stage: StageProgram, scheme: Scheme
) -> tuple[StageProgram, tuple[QuantisedMatrix, ...]]:
    """The stage with all products quantised that the scheme is for, and what has to be kept while
    it is in use. Raises EngineError where a tool leaves one as it is."""
    model = stage.model.clone()
    found = [*targets(model.graph, scheme)]
    if not found:
        return stage, ()
    matrices = tuple(_replaced(model.graph, target, scheme) for target in found)
    model.graph.opset_imports.setdefault(_CONTRIB, _CONTRIB_VERSION)
    drop_unread(model.graph)
    return replace(stage, model=model), matrices


def _replaced(graph: ir.Graph, target: Target, scheme: Scheme) -> QuantisedMatrix:
    """Put the quantised product in the place of the target."""
    node, matrix = target.node, quantised_matrix(target, scheme)
    write = _Writer(graph, str(node.outputs[0].name))
    if target.kernel:
        return _convolved(graph, target, matrix, write)
    if scheme.calibrated:
        write.in_ranges(_read(node), matrix, _known(read_range(node)))
    elif matrix.form.block is None:
        write.in_columns(target.x, matrix)
    else:
        write.in_blocks(target.x, matrix, scheme.activations)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        write("Add", write.last, bias)
    y = write.last
    y.type, y.shape = node.outputs[0].type, node.outputs[0].shape
    replace_nodes_and_values(graph, node, [node], write.nodes, node.outputs, [y])
    return matrix


def _convolved(
    graph: ir.Graph, target: Target, matrix: QuantisedMatrix, write: "_Writer"
) -> QuantisedMatrix:
    """What it reads is rounded for all that read it, and what it writes, too, behind an activation
    that is its only reader: between convolutions, and on ways around them, there are integers."""
    node = target.node
    scale, zero = _uint8(_known(read_range(node)))
    if not _is_rounded(_read(node), scale, zero):
        _round_behind(graph, _read(node), scale, zero)
    x = write.rounded(_read(node), scale, zero)
    kernels, scales = np.ascontiguousarray(_array(matrix.values).T), _array(matrix.scales)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    known = None if bias is None or bias.const_value is None else _array(bias.const_value)
    if known is not None:
        kernels, scales = _with_room(kernels, scales, known, scale)
    shape = (matrix.form.outer, *target.kernel)
    operands = [x, write.dequantised("weight", kernels.reshape(shape), scales, 0)]
    if known is not None:
        steps = scales * np.float32(scale)
        whole = np.rint(known / steps).astype(np.int32)
        operands.append(write.dequantised("bias", whole, steps, 0))
    elif bias is not None:
        operands.append(bias)
    [y] = write("Conv", *operands, attributes=dict(node.attributes))
    y.type, y.shape = node.outputs[0].type, node.outputs[0].shape
    replace_nodes_and_values(graph, node, [node], write.nodes, node.outputs, [y])
    last, range_ = _activated(y, written_range(node))
    if range_ is not None:
        _round_behind(graph, last, *_uint8(range_))
    return matrix


def _with_room(
    kernels: Tensor, scales: Tensor, bias: Tensor, scale: float
) -> tuple[Tensor, Tensor]:
    """Kernels, int8 [outer, inner], and their scales, wider where `bias` [outer] would be too many
    steps, each of `scale` times its kernel's. What tiny weights lose is nothing beside it."""
    steps = np.maximum(np.abs(bias.astype(np.float64)) / _MOST_BIAS, np.finfo(np.float32).tiny)
    wider = np.maximum(scales, (steps / scale).astype(np.float32))
    return np.rint(kernels * (scales / wider)[:, None]).astype(np.int8), wider


def _activated(y: ir.Value, range_: Range | None) -> tuple[ir.Value, Range | None]:
    """What an activation that is its only reader makes of `y`, with its range; `y` itself where
    there is none."""
    uses = [*y.uses()]
    if len(uses) != 1 or y.is_graph_output() or uses[0].node.op_type not in _ACTIVATIONS:
        return y, range_
    activation = uses[0].node
    own = written_range(activation)
    return (y, range_) if own is None else (activation.outputs[0], own)


def _round_behind(graph: ir.Graph, value: ir.Value, scale: float, zero: int) -> None:
    """Let all that read `value` read it rounded, where a node writes it, and it has been rounded
    for none of them yet: that one may stand behind others. What the graph hands back keeps its
    name."""
    name, readers, producer = str(value.name), value.uses(), value.producer()
    if producer is None:
        return
    write = _Writer(graph, f"{name}/rounded")
    result = write.rounded(value, scale, zero)
    if not write.nodes:
        return
    result.type, result.shape = value.type, value.shape
    for use in readers:
        use.node.replace_input_with(use.idx, result)
    if value.is_graph_output():
        graph.outputs[:] = [result if each is value else each for each in graph.outputs]
        value.name, result.name = f"{name}/before", name
    graph.insert_after(producer, write.nodes)


def _uint8(range_: Range) -> tuple[float, int]:
    """The scale and the zero point of a range, as onnxruntime's quantiser has them."""
    low, high = np.float32(range_.low), np.float32(range_.high)
    zero, scale = quantization().quant_utils.compute_scale_zp(
        low, high, np.array(0, np.uint8), np.array(255, np.uint8), symmetric=False
    )
    return float(scale), int(zero)


def _known(range_: Range | None) -> Range:
    if range_ is None:
        raise AssertionError("targets have one")
    return range_


def _read(node: ir.Node) -> ir.Value:
    """What a product reads: rounded, where a convolution before it was quantised since."""
    x = node.inputs[0]
    if x is None:
        raise AssertionError("targets read something")
    return x


def _is_rounded(x: ir.Value, scale: float, zero: int) -> bool:
    """Whether uint8 has it exactly so: ONNX Runtime sees through one pair of operators."""
    writer = x.producer()
    if writer is None or writer.op_type != "DequantizeLinear" or len(writer.inputs) != 3:
        return False
    parts = [None if each is None else each.const_value for each in writer.inputs[1:]]
    known = [_array(each) for each in parts if each is not None and not each.shape.numpy()]
    return len(known) == 2 and known[0] == np.float32(scale) and known[1] == zero


def _read_twice_over(x: ir.Value) -> Iterator[ir.Value]:
    """What is made of `x` where it has been rounded for another product."""
    for use in x.uses():
        if use.node.op_type == "QuantizeLinear":
            yield from (wide.node.outputs[0] for wide in use.node.outputs[0].uses())


def _array(tensor: ir.TensorProtocol) -> Tensor:
    return np.asarray(tensor.numpy())


class _Writer:
    """Writes the operators of one product, whose names all begin with that of its output."""

    def __init__(self, graph: ir.Graph, prefix: str) -> None:
        self._graph = graph
        self._prefix = prefix
        self.nodes: list[ir.Node] = []

    @property
    def last(self) -> ir.Value:
        """What the last of them writes."""
        return self.nodes[-1].outputs[0]

    def __call__(
        self,
        op: str,
        *inputs: ir.Value,
        attributes: Mapping[str, int | ir.Attr] | None = None,
        domain: str = "",
        outputs: int = 1,
    ) -> Sequence[ir.Value]:
        node = ir.node(op, inputs, dict(attributes or {}), domain=domain, num_outputs=outputs)
        node.name = f"{self._prefix}/{op}-{len(self.nodes)}"
        for index, output in enumerate(node.outputs):
            output.name = f"{node.name}/{index}"
        self.nodes.append(node)
        return node.outputs

    def in_blocks(self, x: ir.Value, matrix: QuantisedMatrix, activations: Activations) -> None:
        form = matrix.form
        parts = self._constant("values", matrix.values), self._constant("scales", matrix.scales)
        numbers = {"K": form.inner, "N": form.outer, "bits": form.bits}
        numbers["block_size"] = form.block or 0
        numbers["accuracy_level"] = _ACCURACY_LEVEL[activations]
        self(QUANTISED, x, *parts, attributes=numbers, domain=_CONTRIB)

    def in_columns(self, x: ir.Value, matrix: QuantisedMatrix) -> None:
        values = self._constant("values", matrix.values)
        scales = self._constant("scales", matrix.scales)
        zeros = self._constant("zeros", ir.Tensor(np.zeros(matrix.form.outer, np.int8)))
        whole, scale, zero = self("DynamicQuantizeLinear", x, outputs=3)
        [both] = self("Mul", scale, scales)
        [product] = self("MatMulInteger", whole, values, zero, zeros)
        [wide] = self("Cast", product, attributes={"to": int(ir.DataType.FLOAT)})
        self("Mul", wide, both)

    def in_ranges(self, x: ir.Value, matrix: QuantisedMatrix, range_: Range) -> None:
        weight = self._dequantised("values", matrix.values, matrix.scales, 1)
        self("MatMul", self.rounded(x, *_uint8(range_)), weight)

    def rounded(self, x: ir.Value, scale: float, zero: int) -> ir.Value:
        """`x` as uint8 has it."""
        if _is_rounded(x, scale, zero):
            return x
        for wide in _read_twice_over(x):
            if _is_rounded(wide, scale, zero):
                return wide
        how = (
            self._constant("scale", ir.Tensor(np.float32(scale))),
            self._constant("zero", ir.Tensor(np.uint8(zero))),
        )
        [whole] = self("QuantizeLinear", x, *how)
        [wide] = self("DequantizeLinear", whole, *how)
        return wide

    def dequantised(self, part: str, values: Tensor, scales: Tensor, axis: int) -> ir.Value:
        """Whole numbers, with a scale for each along the axis."""
        return self._dequantised(part, ir.Tensor(values), ir.Tensor(scales), axis)

    def _dequantised(
        self, part: str, values: ir.TensorProtocol, scales: ir.TensorProtocol, axis: int
    ) -> ir.Value:
        operands = [self._constant(part, values), self._constant(f"{part}-scales", scales)]
        if values.dtype == ir.DataType.INT8:  # ONNX Runtime writes others where it makes it uint8
            zeros = ir.Tensor(np.zeros(scales.shape.numpy(), np.int8))
            operands.append(self._constant(f"{part}-zeros", zeros))
        [wide] = self("DequantizeLinear", *operands, attributes={"axis": axis})
        return wide

    def _constant(self, part: str, tensor: ir.TensorProtocol) -> ir.Value:
        value = ir.val(f"{self._prefix}/{part}", const_value=tensor)
        self._graph.register_initializer(value)
        return value


def drop_unread(graph: ir.Graph) -> None:
    """Drop weights that nothing reads any more, as they are there in another form."""
    for name, value in [*graph.initializers.items()]:
        if not value.uses() and not value.is_graph_output():
            graph.initializers.pop(name)

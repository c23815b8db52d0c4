"""Stages with quantised weights for ONNX Runtime: each product in the place of a MatMul or a Gemm.

y = MatMul(x, W)      blocks:    y = MatMulNBits(x, values, scales)
                      columns:   q, s, z = DynamicQuantizeLinear(x)
                                 y = Cast(MatMulInteger(q, values, z, 0)) * (s * scales)
y = Gemm(x, W, b)                the same + b
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir
from onnx_ir.convenience import replace_nodes_and_values

from stagecut.backends.quantised.products import Target, quantised_matrix, targets
from stagecut.backends.quantised.scheme import Activations, Scheme
from stagecut.compiler.formats.quantised_tensor import QuantisedMatrix
from stagecut.compiler.ir.device import StageProgram

#: ONNX Runtime's own operators, and their version.
_CONTRIB, _CONTRIB_VERSION = "com.microsoft", 1

#: How MatMulNBits multiplies: with activations in int8 in blocks, or in float32.
_ACCURACY_LEVEL = {"int8": 4, "f32": 1}


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
    _drop_unread(model.graph)
    return replace(stage, model=model), matrices


def _replaced(graph: ir.Graph, target: Target, scheme: Scheme) -> QuantisedMatrix:
    """Put the quantised product in the place of the target."""
    node, matrix = target.node, quantised_matrix(target, scheme)
    write = _Writer(graph, str(node.outputs[0].name))
    if matrix.form.block is None:
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
        attributes: dict[str, int] | None = None,
        domain: str = "",
        outputs: int = 1,
    ) -> Sequence[ir.Value]:
        node = ir.node(op, inputs, attributes or {}, domain=domain, num_outputs=outputs)
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
        self("MatMulNBits", x, *parts, attributes=numbers, domain=_CONTRIB)

    def in_columns(self, x: ir.Value, matrix: QuantisedMatrix) -> None:
        values = self._constant("values", matrix.values)
        scales = self._constant("scales", matrix.scales)
        zeros = self._constant("zeros", ir.Tensor(np.zeros(matrix.form.outer, np.int8)))
        whole, scale, zero = self("DynamicQuantizeLinear", x, outputs=3)
        [both] = self("Mul", scale, scales)
        [product] = self("MatMulInteger", whole, values, zero, zeros)
        [wide] = self("Cast", product, attributes={"to": int(ir.DataType.FLOAT)})
        self("Mul", wide, both)

    def _constant(self, part: str, tensor: ir.TensorProtocol) -> ir.Value:
        shape, kind = ir.Shape(tensor.shape.numpy()), ir.TensorType(tensor.dtype)
        name = f"{self._prefix}/{part}"
        value = ir.Value(name=name, shape=shape, type=kind, const_value=tensor)
        self._graph.register_initializer(value)
        return value


def _drop_unread(graph: ir.Graph) -> None:
    """The weights that were quantised, where nothing else reads them."""
    for name, value in [*graph.initializers.items()]:
        if not value.uses() and not value.is_graph_output():
            graph.initializers.pop(name)

"""Multiply with a weight as it lies, where a model turns it first, as it does with its table of
embeddings to score words.

Before (W: [words, size]):      After:
  t = Transpose(W)                rows = Reshape(x, [-1, size])
  y = MatMul(x, t)                products = Gemm(rows, W, transB=1)
                                  y = Reshape(products, [*x.shape[:-1], words])

Devices that hold weights in few bits, or in a memory of their own, ask for the weight of a product;
what is computed from one is none.
"""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

#: From this version on, a Reshape can say that a size of nought is one.
_SINCE = 14


def multiply_turned(model: ir.Model) -> None:
    """Rewrite every such product of float32. New nodes and values have no names yet."""
    if model.opset_imports.get("", 0) < _SINCE:
        return
    for graph in model.graphs():
        if isinstance(graph, ir.Graph):
            for product in [node for node in graph if node.op_type == "MatMul" and not node.domain]:
                _multiply_turned(graph, product)


def _multiply_turned(graph: ir.Graph, product: ir.Node) -> None:
    x, turned = product.inputs
    turn = None if turned is None else turned.producer()
    weight = None if turn is None else _weight(turn)
    if x is None or turn is None or weight is None or weight.const_value is None:
        return
    words, size = weight.const_value.shape.numpy()
    numbers = [_constant(each) for each in ([-1, size], [0], [-1], [words])]
    row, first, last, behind = (node.outputs[0] for node in numbers)
    rows = ir.node("Reshape", [x, row])
    products = ir.node("Gemm", [rows.outputs[0], weight], {"transB": 1}, name=product.name)
    shape = ir.node("Shape", [x])
    before = ir.node("Slice", [shape.outputs[0], first, last])
    sizes = ir.node("Concat", [before.outputs[0], behind], {"axis": 0})
    result = ir.node("Reshape", [products.outputs[0], sizes.outputs[0]], {"allowzero": 1})
    graph.insert_before(product, [*numbers, rows, products, shape, before, sizes, result])
    _replace(graph, product, result)
    if turn.graph is not None and not turn.outputs[0].uses() and not _is_output(turn):
        turn.graph.remove(turn, safe=True)


def _weight(turn: ir.Node) -> ir.Value | None:
    """The matrix that a node turns, where it is one of numbers that are known."""
    weight = turn.inputs[0] if turn.op_type == "Transpose" and not turn.domain else None
    if weight is None or weight.const_value is None:
        return None
    tensor = weight.const_value
    order = turn.attributes["perm"].as_ints() if "perm" in turn.attributes else (1, 0)
    is_matrix = tensor.dtype == ir.DataType.FLOAT and len(tensor.shape) == 2 and tensor.size > 0
    return weight if is_matrix and tuple(order) == (1, 0) else None


def _replace(graph: ir.Graph, product: ir.Node, result: ir.Node) -> None:
    old, new = product.outputs[0], result.outputs[0]
    new.type, new.shape = old.type, old.shape
    new.name, old.name = old.name, None
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(product, safe=True)


def _is_output(node: ir.Node) -> bool:
    return any(value.is_graph_output() for value in node.outputs)


def _constant(numbers: Sequence[int]) -> ir.Node:
    return ir.node("Constant", [], {"value": ir.tensor(np.array(numbers, np.int64))})

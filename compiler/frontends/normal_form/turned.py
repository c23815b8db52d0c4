"""Multiply with a weight as it lies, where a model turns it first, as it does with its table of
embeddings to score words.

Before (W: [words, size]):      After:
  t = Transpose(W)                rows = Reshape(x, [-1, size])
  y = MatMul(x, t)                products = Gemm(rows, W, transB=1)
                                  y = Reshape(products, [*x.shape[:-1], words])

Devices that hold weights in few bits, or in a memory of their own, ask for the weight of a product;
what is computed from one is none.
"""

import numpy as np
import onnx_ir as ir
from onnx_ir.convenience import replace_nodes_and_values

from stagecut.compiler.frontends.new_nodes import constant, number

#: From this version on, a Reshape can say that a size of nought is one.
_SINCE = 14


def multiply_turned(model: ir.Model) -> bool:
    """Rewrite every such product of float32; whether there was one. New nodes have no names yet."""
    if model.opset_imports.get("", 0) < _SINCE:
        return False
    rewritten = False
    for graph in model.graphs():
        for product in [node for node in graph if node.op_type == "MatMul" and not node.domain]:
            rewritten |= _multiply_turned(graph, product)
    return rewritten


def _multiply_turned(graph: ir.Graph, product: ir.Node) -> bool:
    x, turned = product.inputs
    turn = None if turned is None else turned.producer()
    weight = None if turn is None else _weight(turn)
    if x is None or turn is None or weight is None or weight.const_value is None:
        return False
    words, size = weight.const_value.shape.numpy()
    numbers = [constant(np.array([-1, size])), number(0), number(-1), number(words)]
    row, first, last, behind = (node.outputs[0] for node in numbers)
    rows = ir.node("Reshape", [x, row])
    products = ir.node("Gemm", [rows.outputs[0], weight], {"transB": 1}, name=product.name)
    shape = ir.node("Shape", [x])
    before = ir.node("Slice", [shape.outputs[0], first, last])
    sizes = ir.node("Concat", [before.outputs[0], behind], {"axis": 0})
    result = ir.node("Reshape", [products.outputs[0], sizes.outputs[0]], {"allowzero": 1})
    nodes = [*numbers, rows, products, shape, before, sizes, result]
    replace_nodes_and_values(graph, product, [product], nodes, product.outputs, result.outputs)
    unread = not turn.outputs[0].uses() and not turn.outputs[0].is_graph_output()
    if unread and turn.graph is not None:
        turn.graph.remove(turn, safe=True)
    return True


def _weight(turn: ir.Node) -> ir.Value | None:
    """The matrix that a node turns, where it is one of numbers that are known."""
    weight = turn.inputs[0] if turn.op_type == "Transpose" and not turn.domain else None
    if weight is None or weight.const_value is None:
        return None
    tensor = weight.const_value
    order = turn.attributes["perm"].as_ints() if "perm" in turn.attributes else (1, 0)
    is_matrix = tensor.dtype == ir.DataType.FLOAT and len(tensor.shape) == 2 and tensor.size > 0
    return weight if is_matrix and tuple(order) == (1, 0) else None

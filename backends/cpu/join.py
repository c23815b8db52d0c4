"""Products in few bits that read the same are one: as of queries, keys and values.

    q = MatMulNBits(x, Wq) + bq                 y = MatMulNBits(x, [Wq Wk Wv]) + [bq bk bv]
    k = MatMulNBits(x, Wk) + bk         >       q, k, v = Split(y)
    v = MatMulNBits(x, Wv) + bv

Each column is computed as before, but `x` is quantised once, and threads meet once: a step of a
llama-like model of half a billion weights takes 4 to 7 % less. What adds nothing is put together by
itself, as ONNX Runtime makes one kernel of a product and what is added to it.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.convenience import replace_nodes_and_values

from stagecut.backends.quantised.products import QUANTISED
from stagecut.backends.quantised.quantise import drop_unread
from stagecut.compiler.ir.device import Tensor

#: From this version on, a Split is told the sizes of its parts by an operand.
_SINCE = 13

#: What is put together stands in the stage's ONNX model, which may be no larger than 2 GiB.
_MOST_BYTES = 1 << 30


def join_products(graph: ir.Graph) -> None:
    """Put the products together that multiply the same with weights of one form, as far as there is
    room; bit for bit they compute what they did."""
    if graph.opset_imports.get("", 0) < _SINCE:
        return
    left_bytes = _MOST_BYTES
    for products in [*_alike(graph)]:
        size = sum(part.nbytes for product in products for part in product.parts)
        if size <= left_bytes:
            left_bytes -= size
            _join(graph, products)
    drop_unread(graph)


@dataclass(frozen=True, slots=True)
class _Product:
    """`parts` are values and scales, and what is added where a node behind it does that; `last`
    writes the result."""

    node: ir.Node
    last: ir.Node
    parts: Sequence[ir.TensorProtocol]

    @property
    def columns(self) -> int:
        return self.node.attributes["N"].as_int()

    @property
    def kind(self) -> Hashable:
        """What it multiplies, and how; products of one kind may be one."""
        how = {key: each.value for key, each in self.node.attributes.items() if key != "N"}
        return id(self.node.inputs[0]), len(self.parts), *sorted(how.items())


def _alike(graph: ir.Graph) -> Iterator[Sequence[_Product]]:
    """Two and more products that may be one, in the order of the graph."""
    found: dict[Hashable, list[_Product]] = {}
    for node in graph:
        if node.op_type == QUANTISED and len(node.inputs) == 3:
            product = _product(node)
            found.setdefault(product.kind, []).append(product)
    return (products for products in found.values() if len(products) > 1)


def _product(node: ir.Node) -> _Product:
    weights = [None if value is None else value.const_value for value in node.inputs[1:]]
    parts = [each for each in weights if each is not None]
    if len(parts) != len(weights):
        raise AssertionError("they are weights")
    uses = [*node.outputs[0].uses()]
    last = uses[0].node if len(uses) == 1 and not node.outputs[0].is_graph_output() else node
    if last.op_type == "Add" and not last.domain:
        added = last.inputs[1 - uses[0].idx]
        bias = None if added is None else added.const_value
        if bias is not None and bias.shape == [node.attributes["N"].as_int()]:
            return _Product(node, last, [*parts, bias])
    return _Product(node, node, parts)


def _join(graph: ir.Graph, products: Sequence[_Product]) -> None:
    first = products[0].node
    name = f"{first.name}/joined"
    together = [
        _constant(graph, f"{name}/{at}", np.concatenate([part.numpy() for part in parts]))
        for at, parts in enumerate(zip(*(each.parts for each in products), strict=True))
    ]
    columns = np.array([each.columns for each in products], np.int64)
    attributes = {**first.attributes, "N": ir.AttrInt64("N", int(columns.sum()))}
    operands = [first.inputs[0], *together[:2]]
    nodes = [ir.node(QUANTISED, operands, attributes, domain=first.domain)]
    nodes += [ir.node("Add", [nodes[0].outputs[0], bias]) for bias in together[2:]]
    sizes = _constant(graph, f"{name}/columns", columns)
    operands = [nodes[-1].outputs[0], sizes]
    nodes.append(ir.node("Split", operands, {"axis": -1}, num_outputs=len(products)))
    for node in nodes:
        node.name = f"{name}/{node.op_type}"
        for at, output in enumerate(node.outputs):
            output.name = f"{node.name}/{at}"
    old = dict.fromkeys(node for each in products for node in (each.node, each.last))
    results = [each.last.outputs[0] for each in products]
    replace_nodes_and_values(graph, first, [*old], nodes, results, nodes[-1].outputs)


def _constant(graph: ir.Graph, name: str, array: Tensor) -> ir.Value:
    value = ir.val(name, const_value=ir.Tensor(array, name=name))
    graph.register_initializer(value)
    return value

"""Multiply the queries of a group with their keys and values at once, which are not repeated.

Before (4 heads, 2 of keys):                       After:
  k5 = Unsqueeze(k [1,2,L,D], 2)
  many = Expand(k5) [1,2,2,L,D]
  heads = Reshape(many) [1,4,L,D]                    grouped = Reshape(q, (0,2,-1,0)) [1,2,2n,D]
  turned = Transpose(heads) [1,4,D,L]                turned = Transpose(k) [1,2,D,L]
  scores = MatMul(q [1,4,n,D], turned)               m = MatMul(grouped, turned) [1,2,2n,L]
                                                     scores = Reshape(m, (0,4,-1,0)) [1,4,n,L]

An engine would write all keys and values once for each query of their group, in every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from stagecut.compiler.frontends.new_nodes import constant

_SWAPPED = [0, 1, 3, 2]


@dataclass(frozen=True, slots=True)
class _Repeated:
    """Heads [b, heads, L, D] are those of `source` [b, held, L, D], each several times."""

    source: ir.Value
    held: int
    heads: int


def group_queries(graph: ir.Graph) -> None:
    """Rewrite every product whose second operand is known to be repeated heads."""
    for node in [node for node in graph if node.op_type == "MatMul"]:
        _group(graph, node)


def _group(graph: ir.Graph, product: ir.Node) -> None:
    queries, operand = product.inputs[0], product.inputs[1]
    turn = None if operand is None else operand.producer()
    turned = turn is not None and turn.op_type == "Transpose"
    if turned and turn is not None and _ints(turn, "perm") != _SWAPPED:
        return
    found = _repeated(turn.inputs[0] if turned and turn is not None else operand)
    if queries is None or found is None or not _has_heads(queries, found):
        return
    one = _reshape(queries, [0, found.held, -1, 0])
    source = ir.node("Transpose", [found.source], {"perm": _SWAPPED}) if turned else None
    keys = found.source if source is None else source.outputs[0]
    many = ir.node("MatMul", [one[-1].outputs[0], keys])
    back = _reshape(many.outputs[0], [0, found.heads, -1, 0])
    graph.insert_before(product, [*one, *([] if source is None else [source]), many, *back])
    old, new = product.outputs[0], back[-1].outputs[0]
    new.shape, new.type = old.shape, old.type
    if old.is_graph_output():
        new.name, old.name = old.name, None
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(product, safe=True)


def _repeated(heads: ir.Value | None) -> _Repeated | None:
    """What `heads` repeat, where the shapes along the way leave no doubt."""
    many = _operand(heads, "Reshape")
    one = _operand(many, "Expand")
    source = _operand(one, "Unsqueeze")
    shapes = [None if value is None else value.shape for value in (source, one, many, heads)]
    if source is None or None in shapes:
        return None
    held, single, repeated, flat = ([*shape] for shape in shapes if shape is not None)
    if len(held) != 4 or not _all_known(held) or len(repeated) != 5:
        return None
    batch, own, *rest = held
    times = repeated[2]
    if not isinstance(own, int) or not isinstance(times, int):
        return None
    expected = [[batch, own, 1, *rest], [batch, own, times, *rest], [batch, own * times, *rest]]
    return _Repeated(source, own, own * times) if expected == [single, repeated, flat] else None


def _operand(value: ir.Value | None, operator: str) -> ir.Value | None:
    node = None if value is None else value.producer()
    return node.inputs[0] if node is not None and node.op_type == operator else None


def _has_heads(queries: ir.Value, found: _Repeated) -> bool:
    """As many as the repeated ones, of the same batch: nothing is broadcast."""
    own, held = queries.shape, found.source.shape
    if own is None or held is None or len(own) != 4:
        return False
    return own[1] == found.heads and _all_known([own[0]]) and own[0] == held[0]


def _all_known(dims: Sequence[int | ir.SymbolicDim]) -> bool:
    return all(isinstance(dim, int) or dim.value is not None for dim in dims)


def _ints(node: ir.Node, name: str) -> list[int]:
    attribute = node.attributes.get(name)
    return [] if attribute is None else [*attribute.as_ints()]


def _reshape(value: ir.Value, sizes: Sequence[int | ir.SymbolicDim]) -> list[ir.Node]:
    shape = constant(np.asarray(sizes, np.int64))
    return [shape, ir.node("Reshape", [value, shape.outputs[0]])]

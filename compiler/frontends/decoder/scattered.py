"""Caches that an ONNX model writes in place (TensorScatter), as those of a torch program come in.

Before:                                       After:
  inputs past, at, count                        input cache_position [n]
                                                rows = Transpose(new)
  present = TensorScatter(past, new, at)        all = ScatterND(zeros, places, rows)
                                                present = Transpose(all)
  y = Attention(..., present, ..., count)       y = Attention(..., present, ..., last place + 1)

Then written.py makes states of them, once it has seen that rows are written at the tokens'
positions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from stagecut.compiler.frontends.imported import Change, Imported
from stagecut.compiler.frontends.new_nodes import END, constant, cut, number
from stagecut.compiler.ir.state import CACHE_POSITIONS, TOKENS

#: Operand of ONNX's Attention that says how many tokens there are, and which one it is.
_COUNTED = ("", "Attention", 6)


@dataclass(frozen=True, slots=True)
class _Scattered:
    """`new` rows are written into `past` from `start` on, along `axis`."""

    node: ir.Node
    past: ir.Value
    present: ir.Value
    new: ir.Value
    start: ir.Value
    axis: int

    @property
    def front(self) -> list[int]:
        """The permutation that brings rows first."""
        rank = len(self.past.shape or ())
        return [self.axis, *(at for at in range(rank) if at != self.axis)]


def with_written(imported: Imported) -> Imported:
    """`imported` itself where no such operator keeps a cache, else another in which each cache is a
    buffer that the model changes."""
    graph = imported.model.graph
    if not any(_scattered(graph)) or TOKENS not in {value.name for value in graph.inputs}:
        return imported
    model = imported.model.clone()
    graph = model.graph
    _count_by_position(graph)
    found = [*_scattered(graph)]
    places = {each.start: each.node for each in reversed(found)}
    indices = {start: _places(graph, start, first) for start, first in places.items()}
    changes = [_write(graph, each, indices[each.start]) for each in found]
    return replace(imported, model=model, changes=(*imported.changes, *changes))


def _scattered(graph: ir.Graph) -> Iterator[_Scattered]:
    """What comes in as an input of the model, and goes out as an output of it."""
    for node in graph:
        if (node.domain, node.op_type) != ("", "TensorScatter") or len(node.inputs) < 3:
            continue
        past, new, start = node.inputs[:3]
        present = node.outputs[0]
        if past is None or new is None or start is None or past.shape is None:
            continue
        in_place = past.is_graph_input() and present.is_graph_output()
        axis = node.attributes.get_int("axis", -2) % len(past.shape)
        sized = all(isinstance(dim, int) for dim in past.shape.dims[1:])
        if in_place and axis and sized and node.attributes.get_string("mode", "linear") == "linear":
            yield _Scattered(node, past, present, new, start, axis)


def _count_by_position(graph: ir.Graph) -> None:
    """Inputs that say how many tokens there were, and how many there are, follow from where the new
    ones stand."""
    before = dict.fromkeys(each.start for each in _scattered(graph) if each.start.is_graph_input())
    after = [
        value
        for value in graph.inputs
        if any((use.node.domain, use.node.op_type, use.idx) == _COUNTED for use in value.uses())
    ]
    positions, top = _positions(graph), next(iter(graph))
    for value in before:
        nodes = cut(positions, 0, 1, axis=0)
        graph.insert_before(top, nodes)
        _instead(graph, value, nodes[-1])
    for value in after:
        nodes, one = cut(positions, -1, END, axis=0), number(1)
        total = ir.node("Add", [nodes[-1].outputs[0], one.outputs[0]])
        graph.insert_before(top, [*nodes, one, total])
        _instead(graph, value, total)


def _instead(graph: ir.Graph, value: ir.Value, node: ir.Node) -> None:
    """Let the result of `node` stand for an input, which goes."""
    value.replace_all_uses_with(node.outputs[0])
    graph.inputs.remove(value)


def _positions(graph: ir.Graph) -> ir.Value:
    """The input that says where tokens stand, made where there is none."""
    inputs = {str(value.name): value for value in graph.inputs}
    if CACHE_POSITIONS not in inputs:
        tokens = (inputs[TOKENS].shape or ir.Shape([None, None]))[1]
        kind, shape = ir.TensorType(ir.DataType.INT64), ir.Shape([tokens])
        graph.inputs.append(ir.Value(name=CACHE_POSITIONS, type=kind, shape=shape))
    return inputs.get(CACHE_POSITIONS, graph.inputs[-1])


def _places(graph: ir.Graph, start: ir.Value, before: ir.Node) -> ir.Value:
    """Where the tokens' rows go, [n, 1], counted from `start`, [1], on."""
    tokens = next(value for value in graph.inputs if value.name == TOKENS)
    zero, one, axis = (number(each, rank) for each, rank in ((0, 0), (1, 0), (1, 1)))
    shape = ir.node("Shape", [tokens], {"start": 1, "end": 2})
    count = ir.node("Squeeze", [shape.outputs[0]])
    steps = ir.node("Range", [zero.outputs[0], count.outputs[0], one.outputs[0]])
    sums = ir.node("Add", [start, steps.outputs[0]])
    column = ir.node("Unsqueeze", [sums.outputs[0], axis.outputs[0]])
    graph.insert_before(before, [zero, one, axis, shape, count, steps, sums, column])
    return column.outputs[0]


def _write(graph: ir.Graph, each: _Scattered, places: ir.Value) -> Change:
    """Let `each` write into zeros, with rows first, instead of what comes in."""
    dims = (each.past.shape or ir.Shape([])).dims
    sizes = [dim if isinstance(dim, int) else 1 for dim in (dims[at] for at in each.front)]
    dtype = each.past.dtype or ir.DataType.FLOAT
    zeros = constant(np.zeros(sizes, dtype.numpy()))
    rows = ir.node("Transpose", [each.new], {"perm": each.front})
    rows.outputs[0].shape = ir.Shape([None, *sizes[1:]])
    rows.outputs[0].type = ir.TensorType(dtype)
    written = ir.node("ScatterND", [zeros.outputs[0], places, rows.outputs[0]])
    back = [each.front.index(at) for at in range(len(each.front))]
    whole = ir.node("Transpose", [written.outputs[0]], {"perm": back})
    graph.insert_before(each.node, [zeros, rows, written, whole])
    result, name = whole.outputs[0], str(each.present.name)
    result.type, result.shape, each.present.name = each.past.type, each.past.shape, None
    result.name = name
    each.present.replace_all_uses_with(result, replace_graph_outputs=True)
    graph.remove(each.node, safe=True)
    graph.inputs.remove(each.past)
    return Change("buffer", str(each.past.name), name)

"""Let a decoder hand back the new rows of its states, and take what there was with rows first.

As written:                        decode:                                prefill:
  past [1, H, P, D]                  past [P, 1, H, D]
  all = Concat(past, new, axis=2)    present = Transpose(new)               present = Transpose(new)
  present = all [1, H, P + n, D]     all = Transpose(Concat(past, present))
  ... all ...                        ... all ...                            ... new ...

Rows first, what a sequence holds is the front of one buffer: each run appends to it, and nothing
that is there is moved or copied. Engines take the Transpose into their matrix products.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from stagecut.compiler.frontends.new_nodes import constant
from stagecut.compiler.ir.device import dtype_name
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.state import State


@dataclass(frozen=True, slots=True)
class Joined:
    """A state in a model: where it joins `past` and the rows that are `new`, along `axis`."""

    past: ir.Value
    present: ir.Value
    concat: ir.Node
    new: ir.Value
    axis: int
    sequences: int

    @classmethod
    def of(cls, past: ir.Value, present: ir.Value, sequences: int) -> "Joined":
        """Raises ModelError where `present` is not `past` with new rows behind it."""
        concat = present.producer()
        joins = concat is not None and concat.op_type == "Concat" and len(concat.inputs) == 2
        if concat is None or not joins or concat.inputs[0] is not past or past.shape is None:
            raise ModelError(
                f"output {present.name} is not a Concat of it and of what is new",
                where=f"input {past.name}",
                fix="export the model with a cache that grows by concatenation (a DynamicCache), "
                "or by ONNX's Attention",
            )
        new = concat.inputs[1]
        if new is None:
            raise AssertionError("a Concat with an operand left out")
        axis = concat.attributes["axis"].as_int() % _rank(past)
        return cls(past, present, concat, new, axis, sequences)

    @property
    def state(self) -> State:
        """Raises ModelError for numbers that no array of numpy can hold."""
        dtype = dtype_name(self.past.dtype or ir.DataType.UNDEFINED)
        if not Value("", dtype, ()).portable:
            raise ModelError(
                f"holds {dtype}, which a sequence cannot keep",
                where=f"input {self.past.name}",
                fix="export the model with a cache of float32 or float16",
            )
        return State(str(self.past.name), str(self.present.name), dtype, self.row, self.axis)

    @property
    def past_length(self) -> int | ir.SymbolicDim:
        """How many rows there were."""
        return (self.past.shape or ())[self.axis]

    @property
    def row(self) -> tuple[int, ...]:
        """The other dimensions; those that are open are of a batch, whose rows are sequences."""
        dims = self.past.shape or ()
        return tuple(self.sized(dim) for at, dim in enumerate(dims) if at != self.axis)

    def sized(self, dim: int | ir.SymbolicDim) -> int:
        return dim if isinstance(dim, int) else self.sequences

    @property
    def front(self) -> list[int]:
        """The permutation that brings rows first."""
        return [self.axis, *(at for at in range(_rank(self.past)) if at != self.axis)]

    @property
    def back(self) -> list[int]:
        return [self.front.index(at) for at in range(_rank(self.past))]


def grow(graph: ir.Graph, joined: Joined, tokens: ir.SymbolicDim) -> None:
    """Let `decode` take the state with its rows first, and hand back the rows of `tokens`."""
    past, concat = joined.past, joined.concat
    stored = ir.Value(
        name=past.name,
        type=past.type,
        shape=ir.Shape([(past.shape or ())[joined.axis], *joined.row]),
    )
    graph.inputs[graph.inputs.index(past)] = stored
    past.name = None
    rows = _rows(graph, joined, tokens)
    both = ir.node("Concat", [stored, rows], {"axis": 0})
    whole = _transpose(both.outputs[0], joined.back)
    graph.insert_before(concat, [both, whole])
    _replace(graph, concat, whole.outputs[0])
    for node, at in [(usage.node, usage.idx) for usage in past.uses()]:
        if node.op_type == "Shape":
            _replace(graph, node, _sizes(graph, node, stored, joined.back))
            continue
        turned = _transpose(stored, joined.back)
        graph.insert_before(node, turned)
        node.replace_input_with(at, turned.outputs[0])


def begin(graph: ir.Graph, joined: Joined, tokens: ir.SymbolicDim) -> None:
    """Let `prefill` begin with nothing, and hand back the rows of `tokens`."""
    past, concat = joined.past, joined.concat
    graph.inputs.remove(past)
    _rows(graph, joined, tokens)
    _replace(graph, concat, joined.new)
    shape = [joined.sized(dim) for dim in past.shape or ()]
    shape[joined.axis] = 0
    for node, at in [(usage.node, usage.idx) for usage in past.uses()]:
        if node.op_type == "Shape":
            sizes = np.asarray(shape[_span(node, len(shape))], np.int64)
            _replace(graph, node, _constant(graph, node, sizes))
            continue
        nothing = np.zeros(shape, (past.dtype or ir.DataType.FLOAT).numpy())
        node.replace_input_with(at, _constant(graph, node, nothing))


def _rows(graph: ir.Graph, joined: Joined, tokens: ir.SymbolicDim) -> ir.Value:
    """The new rows, first things first, as the output that stood for all of them."""
    transposed = _transpose(joined.new, joined.front)
    graph.insert_before(joined.concat, transposed)
    rows = transposed.outputs[0]
    graph.outputs[graph.outputs.index(joined.present)] = rows
    rows.name, joined.present.name = joined.present.name, None
    rows.type, rows.shape = joined.past.type, ir.Shape([tokens, *joined.row])
    return rows


def _sizes(graph: ir.Graph, node: ir.Node, stored: ir.Value, back: Sequence[int]) -> ir.Value:
    """What `node` tells of the state's shape as it was, from the shape that it has now."""
    order = _constant(graph, node, np.asarray(back[_span(node, len(back))], np.int64))
    shape = ir.node("Shape", [stored])
    gather = ir.node("Gather", [shape.outputs[0], order])
    graph.insert_before(node, [shape, gather])
    return gather.outputs[0]


def _span(node: ir.Node, rank: int) -> slice:
    """The dimensions that a Shape tells."""
    start, end = node.attributes.get("start"), node.attributes.get("end")
    return slice(0 if start is None else start.as_int(), rank if end is None else end.as_int())


def _transpose(value: ir.Value, perm: Sequence[int]) -> ir.Node:
    return ir.node("Transpose", [value], {"perm": list(perm)})


def _constant(graph: ir.Graph, before: ir.Node, array: np.ndarray) -> ir.Value:
    node = constant(array)
    graph.insert_before(before, node)
    return node.outputs[0]


def _replace(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    """Let `value` stand for the result of `node`, which goes."""
    old = node.outputs[0]
    if old.is_graph_output():
        value.name, old.name = old.name, None
    old.replace_all_uses_with(value, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def _rank(value: ir.Value) -> int:
    return len(value.shape or ())

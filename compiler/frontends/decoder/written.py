"""Caches that a torch program writes in place, as transformers' StaticCache: its mutated buffers
become states.

As translated:                                      decode:
  cache = zeros [room, 1, heads, size]                input key_cache_0 [room, 1, heads, size]
  all = ScatterND(cache, positions, new)              all = ScatterND(key_cache_0, positions, new)
  key_cache_0_after = Transpose(all)                  output key_cache_0_after = new
  ... all ...                                         ... all ...

prefill keeps the zeros. Rows that no token has written are there all the same: the model looks at
none behind the last position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from stagecut.compiler.frontends.decoder.parts import copy_part
from stagecut.compiler.frontends.imported import Change, Imported
from stagecut.compiler.frontends.normal_form.ort_inference import run
from stagecut.compiler.ir.device import Tensor, dtype_name
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.state import CACHE_POSITIONS, POSITIONS, TOKENS, State

#: A row has at least one dimension.
_LEAST_RANK = 2
#: A first position, and how many tokens: what is written where is seen with these.
_TRIED = ((0, 3), (5, 2))


@dataclass(frozen=True, slots=True)
class _Write:
    """`rows` are written at `indices` into what is `held`, by `node`."""

    node: ir.Node
    held: ir.TensorProtocol
    indices: ir.Value
    rows: ir.Value

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is held: how many rows, and the shape of each."""
        return tuple(map(int, self.held.shape.numpy()))


def written_states(imported: Imported) -> tuple[State, ...]:
    """Those that `imported` writes in place, where that is all that it changes; else none.

    Where rows are written is asked by running that part of the model at two positions.
    """
    graph = imported.model.graph
    names = {str(value.name) for value in graph.inputs}
    buffers = [change for change in imported.changes if change.kind == "buffer"]
    if not buffers or len(buffers) < len(imported.changes) or TOKENS not in names:
        return ()
    outputs = {str(value.name): value for value in graph.outputs}
    found = [(change, _write_of(outputs[change.output])) for change in buffers]
    written = [(change, write) for change, write in found if write is not None]
    others = [outputs[change.output] for change, write in found if write is None]
    indices = [write.indices for _, write in written]
    if not written or not _follow_positions(graph, indices, others):
        return ()
    states = tuple(_state(change, write) for change, write in written)
    return states if names.isdisjoint(state.past for state in states) else ()


def read_in_place(
    graph: ir.Graph, states: Sequence[State], dropped: Sequence[str], *, goes_on: bool
) -> None:
    """Let `graph` hand back new rows alone, and, where it `goes_on`, read those that there are;
    outputs that are `dropped` say nothing that the states do not."""
    outputs = {str(value.name): value for value in graph.outputs}
    for state in states:
        output = outputs[state.present]
        write = _known_write(output)
        rows, held = write.rows, ir.TensorType(write.held.dtype)
        passed = ir.node("Identity", [rows])
        graph.append(passed)
        new, output.name = passed.outputs[0], None
        new.name, new.type, new.shape = state.present, rows.type or held, rows.shape
        graph.outputs[graph.outputs.index(output)] = new
        if goes_on:
            past = ir.Value(name=state.past, type=held, shape=ir.Shape(write.shape))
            graph.inputs.append(past)
            write.node.replace_input_with(0, past)
    for name in dropped:
        graph.outputs.remove(outputs[name])


def room_of(imported: Imported, states: Sequence[State]) -> int | None:
    """How many tokens such caches hold; None where there are none."""
    if not states:
        return None
    outputs = {str(value.name): value for value in imported.model.graph.outputs}
    return _known_write(outputs[states[0].present]).shape[0]


def _write_of(output: ir.Value) -> _Write | None:
    """What writes rows, first things first, into a constant, of which `output` is the result, with
    its dimensions in another order; None where nothing does."""
    node = output.producer()
    if node is not None and node.op_type == "Transpose" and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    if (
        node is None
        or node.op_type != "ScatterND"
        or node.attributes.get_string("reduction", "none") != "none"
    ):
        return None
    data, indices, rows = node.inputs[:3]
    if data is None or indices is None or rows is None or rows.shape is None:
        return None
    held = ir.convenience.get_const_tensor(data)
    if held is None or not len(held.shape) == len(rows.shape) >= _LEAST_RANK:
        return None
    write = _Write(node, held, indices, rows)
    return write if write.shape[1:] == tuple(rows.shape.dims[1:]) else None


def _known_write(output: ir.Value) -> _Write:
    """That of a state's output."""
    write = _write_of(output)
    if write is None:
        raise AssertionError(f"{output.name} is no state that is written in place")
    return write


def _state(change: Change, write: _Write) -> State:
    dtype = dtype_name(write.held.dtype)
    return State(change.name, change.output, dtype, write.shape[1:], 0, whole=True)


def _follow_positions(
    graph: ir.Graph, indices: Sequence[ir.Value], others: Sequence[ir.Value]
) -> bool:
    """Whether rows are written at the tokens' positions, and `others`, numbers, say how many there
    are then: read again by nothing, as positions are handed in."""
    for first, count in _TRIED:
        try:
            found = _computed(graph, [*indices, *others], first, count)
        except (StagecutError, AssertionError):  # it depends on more than positions
            return False
        places = np.arange(first, first + count)
        at, ends = found[: len(indices)], found[len(indices) :]
        if not all(np.array_equal(each.reshape(-1), places) for each in at):
            return False
        if not all(each.size == 1 and each.item() == first + count for each in ends):
            return False
    return True


def _computed(graph: ir.Graph, values: Sequence[ir.Value], first: int, count: int) -> list[Tensor]:
    """What they are for `count` tokens from position `first` on; raises AssertionError where they
    depend on more."""
    places = np.arange(first, first + count)
    known: Mapping[str, Tensor] = {
        TOKENS: np.zeros((1, count), np.int64),
        POSITIONS: places[None],
        CACHE_POSITIONS: places,
    }
    inputs = {
        value: ir.Value(name=value.name, type=value.type, shape=value.shape)
        for value in graph.inputs
        if value.name in known
    }
    part = ir.Graph(
        [*inputs.values()], [], nodes=[], opset_imports=dict(graph.opset_imports), name="positions"
    )
    part.outputs.extend(copy_part(values, part, dict(inputs)))
    return run(
        ir.Model(part, ir_version=10),
        {str(each.name): known[str(each.name)] for each in inputs.values()},
    )

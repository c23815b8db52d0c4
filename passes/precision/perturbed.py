"""The whole model with an addition behind values: what an error there does to the outputs, in a run
of one program that is prepared once.

    h = MatMul(x, w)                h = MatMul(x, w) + h/added
    y = Softmax(h)                  y = Softmax(h) + y/added
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.device import Feeds, StageProgram, Tensor
from stagecut.compiler.ir.graph import Value

_SUFFIX = "/added"


@dataclass(frozen=True, slots=True)
class Perturbed:
    """`program` takes a further input for each of `values`, which is added to it."""

    program: StageProgram
    values: tuple[Value, ...]

    @classmethod
    def of(cls, program: StageProgram, values: Sequence[Value]) -> "Perturbed":
        """`values` are floats that the operators of `program` write."""
        model = program.model.clone()
        written = {out.name: out for node in model.graph for out in node.outputs}
        for value in values:
            _add(model.graph, written[value.name])
        more = tuple(Value(value.name + _SUFFIX, value.dtype, value.shape) for value in values)
        own = replace(program, model=model, inputs=(*program.inputs, *more))
        return cls(own, tuple(values))

    def feeds(self, samples: Feeds, added: Feeds) -> dict[str, Tensor]:
        """`added` are by the value's name; nothing is added to the others."""
        nothing = {
            value.name: np.zeros((1,) * len(value.shape), value.dtype) for value in self.values
        }
        changes = {**nothing, **added}
        return {**samples, **{name + _SUFFIX: array for name, array in changes.items()}}


def _add(graph: ir.Graph, value: ir.Value) -> None:
    name, producer = str(value.name), value.producer()
    change = ir.Value(name=name + _SUFFIX, type=value.type)
    total = ir.node("Add", [value, change], name=f"{name}/add")
    graph.inputs.append(change)
    result = total.outputs[0]
    result.type, result.shape = value.type, value.shape
    readers = [use for use in value.uses() if use.node is not total]
    for use in readers:
        use.node.replace_input_with(use.idx, result)
    if value.is_graph_output():
        graph.outputs[:] = [result if each is value else each for each in graph.outputs]
        value.name = f"{name}/before"
        result.name = name
    else:
        result.name = f"{name}/after"
    graph.insert_after(_known(producer), total)


def _known(producer: ir.Node | None) -> ir.Node:
    if producer is None:
        raise AssertionError("a value that operators write has one that does")
    return producer

"""Extract the ONNX model of one stage from the program.

The stage's operators are cloned; the values that they read from outside become inputs, those that
others read become outputs, and large weights become references into the weight file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.program import Program


class Extractor:
    """Extracts stages from one program; looks every operator and value up once."""

    def __init__(self, program: Program, weights: WeightFile) -> None:
        graph = program.model.graph
        self._model = program.model
        self._weights = weights
        self._nodes = {node.name: node for node in graph}
        self._values = {value.name: value for value in graph.inputs}
        self._values.update(graph.initializers)
        self._values.update({out.name: out for node in graph for out in node.outputs})

    def __call__(self, name: str, nodes: Sequence[Node], outputs: Sequence[Value]) -> StageProgram:
        """The program of `nodes`, in that order, which hands back `outputs`."""
        border = _Border.of(nodes)
        graph = ir.GraphView(
            [self._values[value.name] for value in border.inputs],
            [self._values[value.name] for value in outputs],
            nodes=[self._nodes[operator.name] for node in nodes for operator in node.operators],
            initializers=[self._values[value.name] for value in border.weights],
            opset_imports=self._model.graph.opset_imports,
            name=name,
        ).clone()
        self._weights.refer(graph)
        model = ir.Model(graph, ir_version=self._model.ir_version, producer_name="stagecut")
        return StageProgram(name, model, border.inputs, tuple(outputs))


@dataclass(frozen=True, slots=True)
class _Border:
    """What the nodes of a stage read from outside: values that other nodes write, and weights."""

    inputs: tuple[Value, ...]
    weights: tuple[Value, ...]

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> "_Border":
        written: set[str] = set()
        inputs: dict[str, Value] = {}
        weights: dict[str, Value] = {}
        for node in nodes:
            inputs.update({v.name: v for v in node.inputs if v.name not in written})
            weights.update({v.name: v for v in node.weights})
            written.update(v.name for v in node.outputs)
        return cls(tuple(inputs.values()), tuple(weights.values()))

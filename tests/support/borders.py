"""Stages without a model: only their names and borders, where nothing looks inside."""

from collections.abc import Sequence

import onnx_ir as ir

from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.graph import Node, Value
from stagecut.passes.stage.extract import Extractor


class Borders(Extractor):
    """Extracts nothing but what a stage reads and hands on."""

    def __init__(self) -> None:
        pass

    def __call__(self, name: str, nodes: Sequence[Node], outputs: Sequence[Value]) -> StageProgram:
        written = {value.name for node in nodes for value in node.outputs}
        read = {value.name: value for node in nodes for value in node.inputs}
        inputs = tuple(value for value in read.values() if value.name not in written)
        handed_on = [ir.Value(name=value.name) for value in outputs]
        model = ir.Model(ir.Graph([], handed_on, nodes=[]), ir_version=10)
        return StageProgram(name, model, inputs, tuple(outputs))

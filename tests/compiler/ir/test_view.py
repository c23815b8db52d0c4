"""Operators as the planning view has them, from an ONNX graph."""

import numpy as np

from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.view import View
from tests.support.nodes import sample


def test_an_operator_with_its_operands_and_attributes() -> None:
    case = sample(
        "(float[2, 3] x) => (float[2, 4] y) { y = Gemm <alpha = 0.5> (x, w) }",
        w=np.zeros((3, 4), np.float32),
    )
    graph = case.stage.model.graph
    (operator,) = map(View(graph).operator, graph)
    assert operator.reads == (
        Value("x", "float32", (2, 3)),
        Value("w", "float32", (3, 4), constant=True),
    )
    assert operator.writes == (Value("y", "float32", (2, 4)),)
    assert operator.attributes["alpha"] == 0.5


def test_a_shape_that_was_measured_counts() -> None:
    case = sample("(float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }")
    graph = case.stage.model.graph
    assert View(graph, {"x": (7,)}).value(graph.inputs[0]).shape == (7,)

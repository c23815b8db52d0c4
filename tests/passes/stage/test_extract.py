"""A stage as a model of its own: its border, its weights, and that it computes the same."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import StageProgram
from stagecut.passes.stage.extract import Extractor
from tests.support.onnx_models import MODELS
from tests.support.reference import run_reference


def _extract(name: str, nodes: slice, folder: Path) -> tuple[StageProgram, ir.Model]:
    program = load_program(MODELS[name].proto())
    graph = graph_of(program)
    [weights] = write_weights([program.model], folder)
    members = graph.nodes[nodes]
    outputs = [value for node in members for value in node.outputs]
    return Extractor(program, weights)("part", members, outputs), program.model


def test_what_is_read_from_outside_becomes_an_input(tmp_path: Path) -> None:
    """residual: h = MatMul(x, w), r = Relu(h), s = Add(r, x), t = MatMul(s, w), y = Add(t, s)."""
    part, whole = _extract("residual", slice(1, 4), tmp_path)
    assert [value.name for value in part.inputs] == ["h", "x"]
    assert [value.name for value in part.outputs] == ["r", "s", "t"]
    graph = part.model.graph
    assert [value.name for value in graph.inputs] == ["h", "x"]
    assert [value.name for value in graph.outputs] == ["r", "s", "t"]
    assert [node.op_type for node in graph] == ["Relu", "Add", "MatMul"]
    assert [*graph.initializers] == ["w"]
    assert (part.name, graph.name) == ("part", "part")
    assert len(whole.graph) == 5  # which is left as it was


@pytest.mark.parametrize("name", ["residual", "if with captured values", "loop", "scan"])
def test_the_whole_as_one_stage_computes_the_same(name: str, tmp_path: Path) -> None:
    part, whole = _extract(name, slice(None), tmp_path)
    feeds = load_program(MODELS[name].proto()).feeds
    outputs = [str(value.name) for value in whole.graph.outputs]
    expected = dict(zip(outputs, run_reference(whole, feeds), strict=True))
    inputs = {value.name: feeds[value.name] for value in part.inputs}
    names = [value.name for value in part.outputs]
    found = dict(zip(names, run_reference(part.model, inputs), strict=True))
    for output, array in expected.items():
        np.testing.assert_allclose(found[output], array, rtol=1e-6)


def test_large_weights_are_named_by_their_place_in_the_file(tmp_path: Path) -> None:
    weights = np.arange(4096, dtype=np.float32).reshape(64, 64)
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["": 21]>
        large (float[1,64] x) => (float[1,64] y) { y = MatMul(x, w) }"""
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    program = load_program(model)
    [file] = write_weights([program.model], tmp_path)
    graph = graph_of(program)
    part = Extractor(program, file)("part", graph.nodes, graph.outputs)
    found = part.model.graph.initializers["w"].const_value
    assert isinstance(found, ir.ExternalTensor)
    np.testing.assert_array_equal(found.numpy(), weights)

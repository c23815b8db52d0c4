"""Stages cut out of a model with open dimensions: arithmetic on shapes goes where it is needed."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.frontends import load_program
from stagecut.passes.profile.synthetic import made_up
from stagecut.passes.stage.respecialise import restage
from stagecut.runtime import Session
from tests.support.scattered import expand

DEVICES = ["cpu.serial", "cpu.parallel"]
_HEADER = '<ir_version: 10, opset_import: ["": 21]>\n'

#: The Expand needs to know the shape of what the Relu writes.
_BORROWS = """
    borrows (float[n,4] x) => (float[n,4] y, float[n,4] z)
    {{ {first}  {second}  shape = Shape(a)  y = Expand(b, shape)  z = Sigmoid(a) }}
"""
_RELU, _SUM = "a = Relu(x)", "b = ReduceSum<keepdims = 1>(x)"


def _plan(model: onnx.ModelProto, placed: Mapping[str, str]) -> Plan:
    feeds = {"x": np.ones((2, 4), np.float32)}
    expanded = expand(load_program(model, feeds=feeds), DEVICES, "op")
    turn = iter(expanded.graph.nodes)
    costs = made_up(expanded, lambda _: placed[next(turn).op])
    return compile_model(model, devices=DEVICES, costs=costs, feeds=feeds, granularity="op")


@pytest.mark.parametrize("relu_first", [True, False])
def test_a_shape_of_another_stages_value(relu_first: bool) -> None:
    """Read from the stage that has written it; computed anew where that runs only later."""
    first, second = (_RELU, _SUM) if relu_first else (_SUM, _RELU)
    model = onnx.parser.parse_model(_HEADER + _BORROWS.format(first=first, second=second))
    placed = {"Relu": "cpu.parallel", "Sigmoid": "cpu.parallel"}
    plan = _plan(model, {**placed, "ReduceSum": "cpu.serial", "Expand": "cpu.serial"})
    opened = restage(plan.stages(), plan.open_model(), ["y", "z"])
    assert [stage.device for stage in opened] == [stage.device for stage in plan.manifest.stages]
    [serial] = [stage for stage in opened if stage.device == "cpu.serial"]
    operators = [node.op_type for node in serial.program.model.graph]
    inputs = [value.name for value in serial.program.inputs]
    if relu_first:
        assert set(operators) == {"ReduceSum", "Shape", "Expand"}
        assert set(inputs) == {"x", "a"}
    else:
        assert set(operators) == {"ReduceSum", "Relu", "Shape", "Expand"}
        assert inputs == ["x"]
    reference = ort.InferenceSession(model.SerializeToString())
    for rows in (1, 2, 5):
        feeds = {"x": np.random.default_rng(rows).standard_normal((rows, 4)).astype(np.float32)}
        for found, wanted in zip(
            Session(plan).run(None, feeds), reference.run(None, feeds), strict=True
        ):
            np.testing.assert_allclose(found, wanted, rtol=1e-5)

"""Stages of a model with open dimensions: arithmetic on shapes goes where it is needed."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.frontends import load_program
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.passes.stage.respecialise import respecialise
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
    """In as few stages as can be, since each has its price."""
    feeds = {"x": np.ones((2, 4), np.float32)}
    expanded = expand(load_program(model, feeds=feeds), DEVICES, "op")
    turn = iter(expanded.graph.nodes)
    costs = synthetic_costs(expanded, lambda _: placed[next(turn).op])
    devices = tuple(replace(device, stage_s=1e-3) for device in costs.machine.devices)
    costs = replace(costs, machine=replace(costs.machine, devices=devices))
    return compile_model(model, devices=DEVICES, costs=costs, feeds=feeds, granularity="op")


@pytest.mark.parametrize("relu_first", [True, False])
def test_a_shape_of_another_stages_value(relu_first: bool) -> None:
    """Read from the stage that has written it; computed anew where that runs only later."""
    first, second = (_RELU, _SUM) if relu_first else (_SUM, _RELU)
    model = onnx.parser.parse_model(_HEADER + _BORROWS.format(first=first, second=second))
    placed = {"Relu": "cpu.parallel", "Sigmoid": "cpu.parallel"}
    plan = _plan(model, {**placed, "ReduceSum": "cpu.serial", "Expand": "cpu.serial"})
    stored = plan.first
    opened = respecialise(
        stored.staged(),
        stored.open_model(),
        ["y", "z"],
        dict.fromkeys(DEVICES, "host"),
        lambda value, source: {},
    )
    assert opened.schedule == stored.planned.schedule
    [serial] = [
        program
        for stage, program in zip(opened.schedule.stages, opened.programs, strict=True)
        if stage.device == "cpu.serial"
    ]
    operators = [node.op_type for node in serial.model.graph]
    inputs = [value.name for value in serial.inputs]
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

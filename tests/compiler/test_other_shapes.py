"""Plans are tried at other shapes than those that they were compiled for."""

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.checks import Checks
from stagecut.compiler.ir.device import Feeds

MODELS = {
    "one more": ("float[n,4] x", "y = Relu(x)", (2, 4), "x 3x4"),
    "half, where one more does not run": (
        "float[n,4] x",
        "y = Reshape<allowzero = 0>(x, pairs)",
        (8, 4),
        "x 4x4",
    ),
    "arithmetic on names": ("float[n,twice] x", "y = Relu(x)", (3, 6), "x 4x8"),
    "only fixed sizes": ("float[2,4] x", "y = Relu(x)", (2, 4), ""),
    "sizes without a name": ("float[?,4] x", "y = Relu(x)", (2, 4), ""),
    "nothing to repeat": ("float[n,4] x", "y = Relu(x)", (0, 4), ""),
}


@pytest.mark.parametrize(("declared", "body", "shape", "tried"), MODELS.values(), ids=MODELS.keys())
def test_which_shapes_are_tried(
    declared: str, body: str, shape: tuple[int, int], tried: str
) -> None:
    model = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["": 21]>
        tried ({declared}) => (float[a,b] y) <int64[2] pairs = {{-1, 16}}> {{ {body} }}"""
    )
    for dim in model.graph.input[0].type.tensor_type.shape.dim:
        if dim.dim_param == "twice":  # which the text form has no arithmetic for
            dim.dim_param = "2*n"
    checks = _checks(model, {"x": np.ones(shape, np.float32)})
    names = [] if checks is None else [name for name in checks.inputs if "shapes" in name]
    assert names == ([f"inputs of other shapes ({tried})"] if tried else [])


def _checks(model: onnx.ModelProto, feeds: Feeds) -> Checks | None:
    settings = Settings(effort="quick", load=lambda: None)
    plan = compile_model(model, feeds=feeds, devices=["cpu.parallel"], settings=settings)
    return plan.first.planned.checks

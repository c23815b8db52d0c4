"""What is folded is what ONNX Runtime computes, not what ONNX's reference evaluator makes of it."""

from collections.abc import Mapping

import numpy as np
import onnx
import pytest

from stagecut.compiler import compile_model
from stagecut.runtime import Session
from tests.support.reference import run_reference

#: By opset: arithmetic on weights w (2x3) and v (3x4x2), whose results y ends in.
CASES: Mapping[str, tuple[int, str]] = {
    "softmax over several axes": (11, "y = Softmax<axis = 1>(v)"),
    "axes that count from the end": (11, "y = Unsqueeze<axes = [-4, -2]>(w)"),
    "steps back from before the start": (18, "y = Slice(w, back, back, zero, back)"),
    "steps back": (18, "y = Slice(w, zero, back, zero, back)"),
    "steps": (18, "y = Slice(w, zero, two, zero, two)"),
    "sizes multiplied": (18, "s = Shape(v)  y = ReduceProd<keepdims = 0>(s)"),
    "nothing multiplied": (
        18,
        "s = Shape(x)  t = Slice(s, zero, zero)  y = ReduceProd<keepdims = 0>(t)",
    ),
    "whole numbers to powers": (18, "s = Shape(v)  y = Pow(s, zero)"),
    "normalised": (14, "s = Constant<value = float[3] {1, 2, 3}>()  "
                       "y = BatchNormalization<epsilon = 0.1>(v4, s, s, s, s)"),
}  # fmt: skip


@pytest.mark.parametrize(("opset", "body"), CASES.values(), ids=CASES.keys())
def test_constants(opset: int, body: str) -> None:
    numbers = np.random.default_rng(0).standard_normal(24)
    listed = ", ".join(f"{number:.4f}" for number in numbers)
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": {opset}]> g (float[2] x) => (z, y)
        <float[2,3] w = {{{", ".join(listed.split(", ")[:6])}}}, float[3,4,2] v = {{{listed}}},
         float[2,3,4,1] v4 = {{{listed}}},
         int64[1] zero = {{0}}, int64[1] two = {{2}}, int64[1] back = {{-3}}>
        {{ z = Neg(x)  {body} }}"""
    )
    feeds = {"x": np.ones(2, np.float32)}
    expected = run_reference(model, feeds)[1]
    found = Session(compile_model(model, devices=["cpu.serial"])).run(["y"], feeds)[0]
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)

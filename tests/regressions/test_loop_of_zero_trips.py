"""A loop that does not run hands empty tensors on: OpenVINO's stages leave them to the fallback."""

import numpy as np
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime import Session

pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")

DEVICES = ["openvino.f32", "cpu.serial"]
MODEL = """<ir_version: 10, opset_import: ["": 21]>
    loop (int64 n, float[3] x) => (float[a,b] y)
    { last, all = Loop (n, , x) <body =
        body (int64 i, bool c, float[3] v) => (bool d, float[3] w, float[3] s)
        { d = Identity(c)  w = Add(v, v)  s = Relu(w) }>
      %s }
"""
TAILS = {
    "element by element": "y = Sigmoid(all)",
    "joined": "k = Concat<axis = 0>(all, all)  y = Relu(k)",
    "multiplied, which OpenVINO refuses when it runs": (
        "t = Transpose(all)  k = MatMul(t, all)  y = Relu(k)"
    ),
    "summed": "k = ReduceSum<keepdims = 1>(all)  y = Relu(k)",
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS.keys())
@pytest.mark.parametrize("sampled", [3, 0])
def test_a_loop_may_run_as_often_as_it_likes(tail: str, sampled: int) -> None:
    model = onnx.parser.parse_model(MODEL % tail)
    reference = ort.InferenceSession(model.SerializeToString())
    feeds = _feeds(sampled)
    session = Session(compile_model(model, devices=DEVICES, costs=unmeasured, feeds=feeds))
    if sampled:
        assert "openvino.f32" in session.get_providers()
    for trips in (3, 0, 5, 0):
        (found,) = session.run(None, _feeds(trips))
        (expected,) = reference.run(None, _feeds(trips))
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def _feeds(trips: int) -> dict[str, np.ndarray]:
    return {"n": np.array(trips), "x": np.arange(3, dtype=np.float32)}

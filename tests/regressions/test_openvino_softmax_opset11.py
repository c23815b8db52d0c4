"""A default compile never ships OpenVINO's reading of opset 11's Softmax, which is opset 13's."""

import numpy as np
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime import Session

pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")

DEVICES = ["openvino.f32", "cpu.serial"]
MODEL = """<ir_version: 7, opset_import: ["": 11]>
    g (float[1,8,4,4] x) => (float[1,8,4,4] y) { h = Tanh(x)  y = Softmax<axis = 1>(h) }
"""


def test_the_whole_of_all_further_axes_sums_to_one() -> None:
    model = onnx.parser.parse_model(MODEL)
    session = Session(compile_model(model, devices=DEVICES, costs=unmeasured))
    feeds = {"x": np.random.default_rng(0).standard_normal((1, 8, 4, 4)).astype(np.float32)}
    (found,) = session.run(None, feeds)
    (expected,) = ort.InferenceSession(model.SerializeToString()).run(None, feeds)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found.sum() == pytest.approx(1)
    assert session.get_providers() == ["openvino.f32", "cpu.serial"]

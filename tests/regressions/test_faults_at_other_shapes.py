"""What an engine gets wrong at some shapes only does not ship at these, whatever was profiled."""

import numpy as np
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.ir.errors import EngineError
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime import Session
from tests.support import lying
from tests.support.reference import assert_as_reference
from tests.support.scattered import scattered_costs

#: A model, the shape that is profiled, at which OpenVINO is right, and shapes at which it is not.
MODELS = {
    "parts that are not alike": (
        18,
        "g (float[n,4] x) => (float[a,4] p, float[b,4] q, float[c,4] r)"
        " { y = Relu(x) p, q, r = Split<axis=0, num_outputs=3>(y) }",
        (6, 4),
        [(9, 4), (7, 4), (5, 4)],
    ),
    "a Softmax over several axes": (
        11,
        "g (float[1,3,unk,unk] x) => (float[1,3,unk,unk] y) { r = Relu(x) y = Softmax<axis=1>(r) }",
        (1, 3, 1, 1),
        [(1, 3, 4, 5), (1, 3, 1, 2)],
    ),
    "a window that begins in the padding": (
        11,
        "g (float[1,1,unk] x) => (float[1,1,unk] y) { r = Relu(x)"
        " y = MaxPool<kernel_shape=[3], strides=[3], pads=[1,1], ceil_mode=1>(r) }",
        (1, 1, 6),
        [(1, 1, 5), (1, 1, 8), (1, 1, 7)],
    ),
    "the largest of equal numbers": (
        11,
        "g (float[n,8] x) => (float[n,3] y, int64[n,3] at) <int64[1] k = {3}>"
        " { r = Sign(x) y, at = TopK(r, k) }",
        (2, 8),
        [(5, 8), (7, 8)],
    ),
}


@pytest.mark.parametrize(("opset", "text", "profiled", "others"), MODELS.values(), ids=MODELS)
def test_openvino(
    opset: int, text: str, profiled: tuple[int, ...], others: list[tuple[int, ...]]
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")
    model = onnx.parser.parse_model(f'<ir_version: 7, opset_import: ["": {opset}]>{text}')
    devices, rng = ["openvino.f32.serial", "cpu.serial"], np.random.default_rng(0)
    feeds = {"x": rng.standard_normal(profiled).astype(np.float32)}
    session = Session(compile_model(model, devices=devices, feeds=feeds, costs=unmeasured))
    assert session.get_providers() == ["openvino.f32.serial"]
    for shape in (profiled, *others):
        feeds = {"x": rng.standard_normal(shape).astype(np.float32)}
        assert_as_reference(session, model, feeds)


ROWS = onnx.parser.parse_model(
    '<ir_version: 10, opset_import: ["": 21]>'
    "g (float[n,4] x) => (float[n,4] y) { r = Relu(x) y = Softmax(r) }"
)


@pytest.fixture
def _lying(monkeypatch: pytest.MonkeyPatch) -> None:
    lying.use(monkeypatch)


@pytest.mark.usefixtures("_lying")
def test_what_an_engine_refuses_at_another_shape_runs_on_the_fallback() -> None:
    three = {"x": np.ones((3, 4), np.float32)}
    session = _refusing("cpu.serial", "lying:how=refuses-three")
    assert session.get_providers() == ["lying"]
    np.testing.assert_allclose(session.run(None, three)[0], 0.25, rtol=1e-6)


@pytest.mark.usefixtures("_lying")
def test_or_ends_in_what_the_engine_says() -> None:
    with pytest.raises(EngineError, match="with x 3x4"):
        _refusing("lying:how=refuses-three").run(None, {"x": np.ones((3, 4), np.float32)})


def _refusing(*devices: str) -> Session:
    feeds = {"x": np.ones((2, 4), np.float32)}
    table = lying.favoured(scattered_costs(ROWS, devices, seed=0, feeds=feeds), "lying")
    return Session(compile_model(ROWS, feeds=feeds, devices=devices, costs=table))

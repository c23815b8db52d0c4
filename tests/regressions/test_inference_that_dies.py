"""Models on which ONNX's inference of shapes takes the process down, or never ends, and ONNX
Runtime's with it: each is refused with a sentence, whoever imports it, at whatever shape."""

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import helper

from stagecut.compiler import compile_model
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.normal_form.normalise import bind, open_form
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import EngineError, ModelError
from stagecut.runtime import Session, onnx_backend
from tests.support.reference import run_reference


def _model(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 18]> {text}')


SLICE = "b = Constant<value_ints = [0]>()  e = Constant<value_ints = [1]>()  y = Slice(z, b, e)"

REFUSED = {
    "a window larger than the image": (
        f"g (float[1,1,2,2] x, float[1,1,5,5] w) => (y) {{ z = Conv(x, w)  {SLICE} }}",
        r"node Conv \(Conv\): its output z would be of shape \[1,1,-2,-2\]: its inputs are too",
    ),
    "more cut off than there is": (
        f"g (float[2] x) => (y) <int64[2] p = {{-3, 0}}> {{ z = Pad(x, p)  {SLICE} }}",
        r"its output z would be of shape \[-1\]",
    ),
    "the last part of an uneven split": (
        "g (float[5] x) => (a, b, c, y) { a, b, c, y = Split<num_outputs = 4>(x) }",
        r"its output y would be of shape \[-1\]",
    ),
    "more outputs than parts": (
        "g (float[6] x) => (a, b, y) { a, b, y = Split<num_outputs = 2>(x) }",
        "splits into 2 parts, and has 3 outputs",
    ),
    "more outputs than parts, in a branch": (
        "g (float[6] x, bool c) => (y) { y = If(c) <"
        "then_branch = t () => (p) { a, b, p = Split<num_outputs = 2>(x) }, "
        "else_branch = u () => (q) { q = Neg(x) }> }",
        "splits into 2 parts, and has 3 outputs",
    ),
    "fewer than no batch dimensions": (
        "g (float[3,4] x, int64[2,1] i) => (y) { y = GatherND<batch_dims = -2>(x, i) }",
        "has -2 batch dimensions",
    ),
    "an axis that no tensor has": (
        "g (float[3,4] x, float[4] s) => (y, m) "
        "{ y, m = LayerNormalization<axis = 2147483648>(x, s) }",
        "works along axis 2147483648",
    ),
    "more dimensions than any tensor has": (
        "g (float[2] x) => (y) <int64[1] n = {4611686018427387904}> "
        "{ s = ConstantOfShape<value = int64[1] {1}>(n)  y = Expand(x, s) }",
        "would have an output of 4611686018427387904 dimensions",
    ),
}


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_engine_could_run(text: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        load_program(_model(text))


def test_inputs_that_are_too_small_only_in_a_later_run() -> None:
    model = _model(f"g (float[1,1,N,3] x, float[1,1,3,3] w) => (y) {{ z = Conv(x, w)  {SLICE} }}")

    def feeds(size: int) -> Feeds:
        shapes = {"x": (1, 1, size, 3), "w": (1, 1, 3, 3)}
        return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}

    session = Session(compile_model(model, devices=["cpu.serial"], feeds=feeds(4)))
    with pytest.raises(EngineError, match="with x 1x1x1x3"):
        session.run(None, feeds(1))
    np.testing.assert_array_equal(session.run(None, feeds(5))[0], run_reference(model, feeds(5))[0])
    opened = open_form(import_model(model)[0])
    assert opened
    with pytest.raises(ModelError, match="its inputs are too small"):
        bind(opened, feeds(1), "model")


def test_a_branch_that_never_runs() -> None:
    model = _model(
        "g (float[1,1,2,2] x, float[1,1,5,5] w, bool c) => (y) { y = If(c) <"
        "then_branch = t () => (p) { p = Conv(x, w) }, else_branch = e () => (q) { q = Neg(x) }> }"
    )
    feeds = {
        "x": np.ones((1, 1, 2, 2), np.float32),
        "w": np.ones((1, 1, 5, 5), np.float32),
        "c": np.array(False),
    }
    plan = compile_model(model, devices=["cpu.serial"], feeds=feeds)
    np.testing.assert_array_equal(Session(plan).run(None, feeds)[0], -feeds["x"])


def test_a_single_node() -> None:
    node = helper.make_node("Split", ["x"], ["a", "b", "c"], num_outputs=2)
    with pytest.raises(ModelError, match="splits into 2 parts, and has 3 outputs"):
        onnx_backend.run_node(node, [np.ones(6, np.float32)])

"""Types that numpy and engines lack: bfloat16, float8 and int4, at the border and inside."""

from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.errors import FeedError
from stagecut.runtime import Session
from stagecut.runtime.feeds import random_feeds
from tests.support.scattered import scattered

DEVICES = [name for name in ("cpu.serial", "openvino.f32") if name in backends.real_devices()]
TYPES = {
    "bfloat16": ml_dtypes.bfloat16,
    "float8e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8e5m2": ml_dtypes.float8_e5m2,
    "int4": ml_dtypes.int4,
    "uint4": ml_dtypes.uint4,
}


def _parsed(text: str) -> onnx.ModelProto:
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}')
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.BFLOAT16:
            numbers = np.arange(1, np.prod(weight.dims) + 1).astype(ml_dtypes.bfloat16)
            shaped = numbers.reshape(tuple(weight.dims))
            weight.CopyFrom(numpy_helper.from_array(shaped, weight.name))
    return model


@pytest.mark.parametrize("open_dims", [False, True])
@pytest.mark.parametrize("name", TYPES)
def test_they_come_and_go_as_they_are(name: str, open_dims: bool) -> None:
    size = "n" if open_dims else 5
    model = _parsed(
        f"g ({name}[{size}] x) => ({name}[{size}] y, {name}[{size}] x2, float[{size}] z) "
        "{ y = Identity(x)  x2 = Identity(x)  z = Cast<to = 1>(x) }"
    )
    given = np.array([0, 1, 2, 3, 7]).astype(TYPES[name])
    if name.startswith("float8e5"):
        given = np.array([0, -1, np.inf, -np.inf, np.nan]).astype(TYPES[name])
    session = Session(compile_model(model, feeds={"x": given}, devices=["cpu.serial"]))
    assert session.get_inputs()[0].type == f"tensor({given.dtype.name})"
    for array in (given, *([given[:2]] if open_dims else [])):
        for found in session.run(None, {"x": array})[:2]:
            assert found.dtype == array.dtype
            np.testing.assert_array_equal(found.view(np.uint8), array.view(np.uint8))
        wide = session.run(["z"], {"x": array})[0]
        np.testing.assert_array_equal(wide, array.astype(np.float32))
    with pytest.raises(FeedError, match=f"model reads {given.dtype.name}"):
        session.run(None, {"x": given.astype(np.float32)})
    assert random_feeds(session.planned.inputs, 0)["x"].dtype == given.dtype


INSIDE = """g (bfloat16[2,n] x, bool c) => (bfloat16[2,3] y, bfloat16[2,n] x2, bool[2,1] k)
<bfloat16[4,3] w = {}, bfloat16[3] b = {}, int64[1] one = {1}>
{ m = MatMul(x, w)  s = Add(m, b)  t = Softmax(s)
  i = If(c) <then_branch = yes () => (bfloat16[2,3] p) { p = Mul(t, s) },
             else_branch = no () => (bfloat16[2,3] q) { q = Sub(t, s) }>
  top = ReduceMax(i, one)  k = Less(top, top)  y = Div(i, top)  x2 = Neg(x) }"""


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("flag", [False, True])
def test_operators_without_a_kernel_compute_in_a_wider_type(flag: bool, seed: int) -> None:
    """Rounded after each operator, as ONNX's reference does."""
    model = _parsed(INSIDE)
    x = np.random.default_rng(0).standard_normal((2, 4)).astype(ml_dtypes.bfloat16)
    feeds: dict[str, Any] = {"x": x, "c": np.array(flag)}
    plan = compile_model(
        model, feeds=feeds, devices=DEVICES, costs=scattered(seed), granularity="op"
    )
    found = Session(plan).run(None, feeds)
    for mine, theirs in zip(found, ReferenceEvaluator(model).run(None, feeds), strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(
            mine.astype(np.float32), theirs.astype(np.float32), rtol=2**-6, atol=2**-6
        )


def test_weights_are_widened_once() -> None:
    model = _parsed(
        "g (bfloat16[2] x) => (bfloat16[2] y) <bfloat16[2] w = {}> { a = Mul(x, w)  y = Sub(w, a) }"
    )
    program = load_program(model)
    assert [*program.model.graph.initializers] == ["w_float"]
    assert program.carried == {"x": "bfloat16", "y": "bfloat16"}


def test_what_no_engine_runs_is_refused_without_contradiction() -> None:
    model = _parsed("g (int4[2] x) => (int4[2] y) { y = Abs(x) }")
    with pytest.raises(Exception, match="refuses it") as told:
        compile_model(model, devices=["cpu.serial"])
    assert "runs all" not in str(told.value)

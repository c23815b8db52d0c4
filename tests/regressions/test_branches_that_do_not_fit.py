"""A branch that never runs at a shape need not fit it: its shapes stay open, or it is folded."""

import numpy as np
import onnx
import pytest

from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime import Session
from tests.support.scattered import scattered

DEVICES = [name for name in ("cpu.serial", "openvino.f32") if name in backends.real_devices()]


def _numbers(rows: int) -> str:
    numbers = np.random.default_rng(rows).standard_normal(4 * rows)
    return ", ".join(f"{number:.3f}" for number in numbers)


#: As a popular voice detector: 6 columns at one rate and 3 at the other.
BY_RATE = f"""<ir_version: 8, opset_import: ["": 16]>
g (float[batch,samples] x, int64 rate) => (float[batch,4] y)
<int64 k16 = {{16000}}, float[6,4] w6 = {{{_numbers(6)}}}, float[3,4] w3 = {{{_numbers(3)}}}>
{{ scaled = Tanh(x)  fast = Equal(rate, k16)
   h = If(fast) <then_branch = six () => (float[batch,4] y6) {{ y6 = MatMul(scaled, w6) }},
                 else_branch = three () => (float[batch,4] y3) {{ y3 = MatMul(scaled, w3) }}>
   y = Relu(h) }}"""
#: The same, where it is the size that decides.
BY_SIZE = BY_RATE.replace(", int64 rate", "").replace(
    "fast = Equal(rate, k16)",
    "shape = Shape(x)  one = Constant<value = int64 {1}>()  n = Gather(shape, one)  "
    "six = Constant<value = int64 {6}>()  fast = Equal(n, six)",
)
#: A loop that never turns at one shape, and whose body does not fit it.
LOOP = f"""<ir_version: 8, opset_import: ["": 16]>
g (float[batch,samples] x, int64 turns) => (float[batch,samples] y)
<bool yes = {{1}}, float[3,3] w = {{{", ".join(["0.5"] * 9)}}}>
{{ t = Tanh(x)
   h = Loop(turns, yes, t) <body = b (int64 i, bool go, float[batch,samples] s)
                                  => (bool on, float[batch,samples] r)
                                  {{ on = Identity(go)  r = MatMul(s, w) }}>
   y = Neg(h) }}"""


def _feeds(columns: int, **more: int) -> Feeds:
    x = np.random.default_rng(columns).standard_normal((2, columns)).astype(np.float32)
    return {"x": x, **{name: np.array(number) for name, number in more.items()}}


CASES = {
    "by an input": (BY_RATE, _feeds(6, rate=16000), _feeds(3, rate=8000)),
    "by an input, the other way round": (BY_RATE, _feeds(3, rate=8000), _feeds(6, rate=16000)),
    "by the size": (BY_SIZE, _feeds(6), _feeds(3)),
    "by the size, the other way round": (BY_SIZE, _feeds(3), _feeds(6)),
    "a loop of no turns": (LOOP, _feeds(4, turns=0), _feeds(3, turns=2)),
    "a loop that turns": (LOOP, _feeds(3, turns=2), _feeds(4, turns=0)),
}


@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize(("text", "feeds", "others"), CASES.values(), ids=CASES.keys())
def test_it_runs_as_in_onnxruntime(
    text: str, feeds: Feeds, others: Feeds, seed: int | None
) -> None:
    """At the shape that it was compiled for, and where the other branch runs."""
    model = onnx.parser.parse_model(text)
    reference = ort.InferenceSession(model.SerializeToString())
    costs = None
    if seed is not None:
        costs = scattered(seed)
    plan = compile_model(model, feeds=feeds, devices=DEVICES, costs=costs, granularity="op")
    session = Session(plan)
    for given in (feeds, others, feeds):
        expected = reference.run(None, dict(given))
        np.testing.assert_allclose(session.run(None, given)[0], expected[0], rtol=1e-5, atol=1e-6)


def test_a_condition_on_shapes_is_folded() -> None:
    program = load_program(onnx.parser.parse_model(BY_SIZE), feeds=_feeds(6))
    assert [node.op_type for node in program.model.graph] == ["Tanh", "MatMul", "Relu"]

"""Reciprocals of square roots become divisions, which ONNX Runtime runs as one normalisation."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.normal_form.divide import divide
from stagecut.compiler.onnx_runtime import ort

_HEAD = """<ir_version: 10, opset_import: ["": 20]>
g (float[1,3,8] x, float[8] w) => (float[1,3,8] y)"""
_NORM = """
    two = Constant <value_float = 2.0> ()
    last = Constant <value_ints = [-1]> ()
    tiny = Constant <value_float = 1e-6> ()
    squares = Pow (x, two)
    mean = ReduceMean (squares, last)
    safe = Add (mean, tiny)
    s = Sqrt (safe)
"""
CASES = {
    "a factor on the right": ("r = Reciprocal (s) q = Mul (x, r) y = Mul (w, q)", ["Div", "Mul"]),
    "a factor on the left": ("r = Reciprocal (s) q = Mul (r, x) y = Mul (w, q)", ["Div", "Mul"]),
    "an output": ("r = Reciprocal (s) y = Mul (x, r)", ["Div"]),
    "read twice": (
        "r = Reciprocal (s) q = Mul (x, r) y = Mul (q, r)",
        ["Reciprocal", "Mul", "Mul"],
    ),
    "no product": ("r = Reciprocal (s) y = Add (x, r)", ["Reciprocal", "Add"]),
    "no root": (
        "e = Exp (safe) r = Reciprocal (e) y = Mul (x, r)",
        ["Exp", "Reciprocal", "Mul"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_what_becomes_a_division(text: str, expected: list[str]) -> None:
    proto = onnx.parser.parse_model(f"{_HEAD} {{ {_NORM} {text} }}")
    model = ir.from_proto(proto)
    divide(model)
    operators = [node.op_type for node in model.graph]
    assert operators[operators.index("Sqrt") + 1 :] == expected
    feeds = {
        "x": np.random.default_rng(0).standard_normal((1, 3, 8)).astype(np.float32),
        "w": np.linspace(1, 2, 8, dtype=np.float32),
    }
    after = ir.to_proto(model)
    onnx.checker.check_model(after)
    found, reference = (
        ort.InferenceSession(each.SerializeToString()).run(["y"], feeds)[0]
        for each in (after, proto)
    )
    np.testing.assert_allclose(found, reference, rtol=1e-6)


def test_a_reciprocal_outside_of_a_body_stays_where_it_is() -> None:
    then, other = (
        f"{name} () => (float[1,3,8] {out}) {{ {out} = {op} }}"
        for name, out, op in (("t", "a", "Mul (x, r)"), ("e", "b", "Neg (x)"))
    )
    text = f"""r = Reciprocal (s) zero = Constant <value_float = 0.0> ()
        sum = ReduceSum <keepdims = 0> (x) positive = Greater (sum, zero)
        y = If (positive) <then_branch = {then}, else_branch = {other}>"""
    proto = onnx.parser.parse_model(f"{_HEAD} {{ {_NORM} {text} }}")
    model = ir.from_proto(proto)
    divide(model)
    after = ir.to_proto(model)
    onnx.checker.check_model(after)
    assert "Reciprocal" in [node.op_type for node in model.graph]


def test_programs_have_it() -> None:
    text, _ = CASES["a factor on the right"]
    proto = onnx.parser.parse_model(f"{_HEAD} {{ {_NORM} {text} }}")
    assert "Div" in {node.op_type for node in load_program(proto).model.graph}

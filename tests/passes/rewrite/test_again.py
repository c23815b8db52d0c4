"""Operators that run twice give the same to both."""

import numpy as np
import onnx
import onnx_ir as ir

from stagecut.compiler.ir.program import Program
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.rewrite.again import Again, with_again


def test_readers_on_the_other_side_read_the_copy() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> g (float[3] x) => (float[3] y) {'
        "[a] t = Neg(x) [b] u = Tanh(t) [c] v = Sin(u) [d] y = Add(v, u) }"
    )
    program = Program("g", ir.from_proto(model), {}, "", measured={"u": (3,)})
    found = with_again(program, [Again(("a", "b"), {"u": ("d",)})])
    names = [node.name for node in found.model.graph]
    assert names == ["a", "b", "a/again.0", "b/again.0", "c", "d"]
    reads = {
        node.name: [value.name for value in node.inputs if value] for node in found.model.graph
    }
    assert reads["d"] == ["v", "u/again.0"]
    assert reads["c"] == ["u"]
    assert reads["b/again.0"] == ["t/again.0"]
    assert found.measured == {"u": (3,), "u/again.0": (3,)}
    x = np.array([1.0, -2.0, 0.5], np.float32)
    answers = [
        ort.InferenceSession(ir.to_proto(each.model).SerializeToString()).run(None, {"x": x})[0]
        for each in (program, found)
    ]
    np.testing.assert_array_equal(*answers)
    assert with_again(program, []) is program

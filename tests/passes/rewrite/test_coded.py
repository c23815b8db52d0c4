"""Values that go to other readers in fewer bytes come out nearly as they were."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.program import Program
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.rewrite.coded import CODINGS, Coded, Coding, can_be_coded, coded_sizes
from stagecut.passes.rewrite.coded import with_codings as coded

X = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
X[1] = 0.0


def _program(opset: int = 21) -> Program:
    model = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["": {opset}]> g (float[3,8] x) => (float[3,8] y) {{'
        "[a] u = Neg(x) [b] v = Neg(u) [c] y = Add(v, u) }"
    )
    return Program("g", ir.from_proto(model), {"x": X}, "")


def _run(program: Program) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    data = ir.to_proto(program.model).SerializeToString()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    [y] = ort.InferenceSession(data, options).run(None, {"x": X})
    return np.asarray(y)


@pytest.mark.parametrize("opset", [17, 21])
@pytest.mark.parametrize("coding", CODINGS)
def test_only_the_readers_that_are_named_read_what_went_over_the_wire(
    coding: Coding, opset: int
) -> None:
    program, wire = coded(_program(opset), [Coded("u", coding, ("b",))])
    right = np.zeros_like(X)  # y = u - u
    most = np.abs(X).max(axis=1, keepdims=True)
    limit = most * (2.0**-11 if coding == "fp16" else 0.51 / 127)
    off = np.abs(_run(program) - right)
    assert (off <= limit).all()
    assert off.max() > 0
    assert len(wire) == (2 if coding == "fp16" else 3)
    reader = next(node for node in program.model.graph if node.name == "c")
    assert "u" in {value.name for value in reader.inputs if value is not None}


def test_nothing_to_code_is_the_same_program() -> None:
    program = _program()
    assert coded(program, []) == (program, frozenset())


def test_what_it_takes_and_what_can_be() -> None:
    value = Value("v", "float32", (3, 8))
    assert coded_sizes(value, "fp16") == (48,)
    assert coded_sizes(value, "int8") == (24, 12)
    assert can_be_coded(value, "int8")
    assert not can_be_coded(Value("v", "int64", (3,)), "fp16")
    assert not can_be_coded(Value("v", "float32", ()), "int8")

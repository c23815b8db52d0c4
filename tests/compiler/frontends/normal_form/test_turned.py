"""Products with a weight that the model turns first become products with the weight as it lies."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.normal_form.turned import multiply_turned
from stagecut.compiler.onnx_runtime import ort

_W = np.random.default_rng(1).standard_normal((6, 8)).astype(np.float32)
_NUMBERS = {"w": _W, "v": _W.T.copy(), "one": np.array([1])}

_PRODUCT = "t = Transpose <perm = [1, 0]> (w) y = MatMul (x, t)"
CASES = {
    "scores": ("[1,n,8] x", "[1,n,6] y", _PRODUCT, True),
    "of a batch": ("[2,n,8] x", "[2,n,6] y", _PRODUCT, True),
    "of rows": ("[n,8] x", "[n,6] y", _PRODUCT, True),
    "of one row": ("[8] x", "[6] y", _PRODUCT, True),
    "without an order": ("[n,8] x", "[n,6] y", "t = Transpose (w) y = MatMul (x, t)", True),
    "of two products": (
        "[n,8] x",
        "[n,6] y",
        "t = Transpose (w) a = MatMul (x, t) b = MatMul (x, t) y = Add (a, b)",
        True,
    ),
    "not turned": (
        "[n,8] x",
        "[n,6] y",
        "t = Transpose <perm = [0, 1]> (v) y = MatMul (x, t)",
        False,
    ),
    "on the left": ("[6,n] x", "[8,n] y", "t = Transpose (w) y = MatMul (t, x)", False),
    "computed": ("[n,8] x", "[n,6] y", "o = Exp (w) t = Transpose (o) y = MatMul (x, t)", False),
}


def _model(given: str, result: str, text: str) -> onnx.ModelProto:
    head = f'<ir_version: 10, opset_import: ["": 20]> g (float{given}) => (float{result})'
    proto = onnx.parser.parse_model(f"{head} {{ {text} }}")
    read = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in _NUMBERS.items() if name in read
    )
    return proto


def _after(proto: onnx.ModelProto) -> ir.Model:
    model = ir.from_proto(proto)
    multiply_turned(model)
    return model


@pytest.mark.parametrize(("given", "result", "text", "rewritten"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_what_is_rewritten_computes_the_same(
    given: str, result: str, text: str, rewritten: bool, rows: int
) -> None:
    proto = _model(given, result, text)
    model = _after(proto)
    operators = {node.op_type for node in model.graph}
    assert ("Gemm" in operators, "Transpose" in operators) == (rewritten, not rewritten)
    after = ir.to_proto(model)
    onnx.checker.check_model(after)
    sizes = [int(size.replace("n", str(rows))) for size in given[1 : given.index("]")].split(",")]
    x = np.random.default_rng(0).standard_normal(sizes).astype(np.float32)
    found, reference = (
        ort.InferenceSession(each.SerializeToString()).run(["y"], {"x": x})[0]
        for each in (after, proto)
    )
    assert found.shape == reference.shape
    np.testing.assert_allclose(found, reference, rtol=1e-5, atol=1e-5)


def test_what_else_reads_the_turned_weight_goes_on_reading_it() -> None:
    text = "t = Transpose (w) a = MatMul (x, t) s = ReduceSum (t) y = Add (a, s)"
    operators = {node.op_type for node in _after(_model("[n,8] x", "[n,6] y", text)).graph}
    assert {"Gemm", "Transpose"} <= operators


def test_older_models_stay_as_they_are() -> None:
    proto = _model(*CASES["of rows"][:3])
    proto.opset_import[0].version = 13
    assert "MatMul" in {node.op_type for node in _after(proto).graph}


def test_programs_have_one_weight_and_sizes_that_are_numbers() -> None:
    text = f"e = Gather (w, one) b = Add (x, e) {_PRODUCT.replace('(x, t)', '(b, t)')}"
    program = load_program(_model("[1,n,8] x", "[1,n,6] y", text), shapes={"x": (1, 3, 8)})
    operators = [node.op_type for node in program.model.graph]
    assert operators.count("Gemm") == 1
    assert not {"Shape", "Slice", "MatMul", "Transpose"} & {*operators}
    weights = program.model.graph.initializers.values()
    assert [each.name for each in weights if each.const_value and each.const_value.size == 48] == [
        "w"
    ]

"""Only the last row is scored: its numbers stay, and the product is one of a single row."""

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.decoder.last_row import only_last
from stagecut.compiler.onnx_runtime import ort

_HEAD = "<float[4,5] w, float[5] b = {1,2,3,4,5}, float[4] s = {1,2,1,2}, float[4] z = {0,0,1,0}>"


def _model(body: str, x: str = "float[1,n,4] x", y: str = "float[1,n,5] y") -> onnx.ModelProto:
    text = f'<ir_version: 10, opset_import: ["": 21]> g ({x}) => ({y}) {_HEAD} {{ {body} }}'
    proto = onnx.parser.parse_model(text.replace("float[4,5] w, ", ""))
    weight = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    return proto


def _run(proto: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, {"x": x})
    return found


@pytest.mark.parametrize(
    ("body", "sliced"),
    [
        ("r = Relu(x) y = MatMul(r, w)", "r"),
        ("r = Relu(x) m = MatMul(r, w) y = Add(m, b)", "r"),
        ("r = Relu(x) m = MatMul(r, w) a = Add(b, m) t = Tanh(a) y = Mul(t, b)", "r"),
        ("r = Relu(x) l = LayerNormalization(r, s, z) y = MatMul(l, w)", "r"),
        ("t = Transpose(w) u = Transpose(t) r = Relu(x) y = MatMul(r, u)", "r"),
        ("k = Constant<value_float = 2.0>() r = Relu(x) m = MatMul(r, w) y = Mul(m, k)", "r"),
        ("m = MatMul(x, w) y = Relu(m)", "y of all rows"),
        ("r = Softmax<axis = 1>(x) y = MatMul(r, w)", "r"),
    ],
)
def test_numbers_stay(body: str, sliced: str) -> None:
    """What is not known to go by row is computed for all rows, and then cut."""
    proto = _model(body)
    model = ir.from_proto(proto)
    only_last(model.graph, "y", ir.SymbolicDim("n"))
    [cut] = [node for node in model.graph if node.op_type == "Slice"]
    assert cut.inputs[0] is not None
    assert cut.inputs[0].name == sliced
    assert model.graph.outputs[0].name == "y"
    x = np.random.default_rng(1).standard_normal((1, 6, 4)).astype(np.float32)
    [expected], [found] = _run(proto, x), _run(ir.to_proto(model), x)
    np.testing.assert_allclose(found, expected[:, -1:], rtol=1e-5)
    assert str(model.graph.outputs[0].shape) == "[1,1,5]"


def test_rows_that_others_read_stay() -> None:
    """The product is read by something else, too: it is cut behind it."""
    proto = _model("m = MatMul(x, w) y = Add(m, b) z2 = ReduceSum(m)", y="float[1,n,5] y, float z2")
    model = ir.from_proto(proto)
    only_last(model.graph, "y", ir.SymbolicDim("n"))
    x = np.random.default_rng(1).standard_normal((1, 6, 4)).astype(np.float32)
    (expected, total), (found, same) = _run(proto, x), _run(ir.to_proto(model), x)
    np.testing.assert_allclose(found, expected[:, -1:], rtol=1e-5)
    np.testing.assert_allclose(same, total, rtol=1e-5)


@pytest.mark.parametrize(
    ("body", "y"),
    [
        ("y = MatMul(x, w)", "float[1,1,5] y"),
        ("a = ReduceMax<keepdims = 0>(x, b) y = Identity(a)", "float[n] y"),
    ],
    ids=["one row already", "no rows"],
)
def test_left_as_it_is(body: str, y: str) -> None:
    model = ir.from_proto(_model(body, y=y))
    before = str(model)
    only_last(model.graph, "y", ir.SymbolicDim("n"))
    only_last(model.graph, "", ir.SymbolicDim("n"))
    assert str(model) == before

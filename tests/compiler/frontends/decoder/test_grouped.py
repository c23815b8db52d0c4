"""Grouped queries: the same numbers without repeated heads; what is not plain stays."""

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.decoder.grouped import group_queries
from stagecut.compiler.onnx_runtime import ort

_REPEATED = """
k5 = Unsqueeze(k, two)  many = Expand(k5, sizes)  heads = Reshape(many, flat)
"""
_KNOWN = "float[1,2,1,L,4] k5, float[1,2,3,L,4] many, float[1,6,L,4] heads"
_BODIES = {
    "values": f"{_REPEATED} y = MatMul(q, heads)",
    "keys": f"{_REPEATED} t = Transpose<perm = [0,1,3,2]>(heads)  y = MatMul(q, t)",
}


def _model(body: str, values: str = _KNOWN) -> ir.Model:
    """Six heads of queries, two of keys: [1,2,L,4] > [1,2,3,L,4] > [1,6,L,4]."""
    text = f"""<ir_version: 10, opset_import: ["": 21]>
    g (float[1,6,n,w] q, float[1,2,L,4] k) => (float[1,6,n,z] y)
    <int64[1] two = {{2}}, int64[5] sizes = {{1,2,3,1,4}}, int64[4] flat = {{1,6,-1,4}}, {values}>
    {{ {body} }}"""
    return ir.from_proto(onnx.parser.parse_model(text))


def _run(model: ir.Model, n: int, length: int, width: int) -> np.ndarray:
    proto = ir.to_proto(model)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feeds = {
        "q": rng.standard_normal((1, 6, n, width)).astype(np.float32),
        "k": rng.standard_normal((1, 2, length, 4)).astype(np.float32),
    }
    found: np.ndarray = session.run(None, feeds)[0]
    return found


@pytest.mark.parametrize(("n", "length"), [(1, 1), (1, 7), (5, 5), (3, 8)])
@pytest.mark.parametrize("which", _BODIES)
def test_the_same_numbers(which: str, n: int, length: int) -> None:
    model = _model(_BODIES[which])
    width = length if which == "values" else 4
    expected = _run(model, n, length, width)
    group_queries(model.graph)
    product = next(node for node in model.graph if node.op_type == "MatMul")
    assert product.inputs[1] is not None
    origin = product.inputs[1]
    producer = origin.producer()
    read = origin if producer is None else producer.inputs[0]
    assert read is not None
    assert read.name == "k"
    assert model.graph.outputs[0].name == "y"
    np.testing.assert_allclose(_run(model, n, length, width), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ("y = MatMul(q, k)", "int64 none = {0}"),
        (_BODIES["values"], "int64 none = {0}"),
        (_BODIES["values"], "float[1,2,1,L,4] k5, float[1,2,3,M,4] many, float[1,6,M,4] heads"),
        (
            f"{_REPEATED} t = Transpose<perm = [0,1,2,3]>(heads) y = MatMul(q, t)",
            _KNOWN,
        ),
    ],
    ids=["one product alone", "shapes unknown", "another length", "another order"],
)
def test_what_is_not_plain_stays(body: str, values: str) -> None:
    model = _model(body, values)
    before = str(model.graph)
    group_queries(model.graph)
    assert str(model.graph) == before

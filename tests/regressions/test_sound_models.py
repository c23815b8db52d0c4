"""Sound models of kinds that were once refused or misread: each runs as in ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from stagecut.compiler import compile_model
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import FeedError, ModelError
from stagecut.compiler.onnx_runtime import ort
from stagecut.compiler.report.model.build import build_report
from stagecut.runtime import Session


def _model(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(text)


def _whole(model: onnx.ModelProto, feeds: Mapping[str, Any]) -> list[Any]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(None, dict(feeds))
    return found


def _session(model: onnx.ModelProto, feeds: Feeds | None = None, **options: Any) -> Session:
    return Session(compile_model(model, feeds=feeds, devices=["cpu.serial"], **options))


def _check(session: Session, model: onnx.ModelProto, feeds: Feeds) -> None:
    for found, expected in zip(session.run(None, feeds), _whole(model, feeds), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


NEG = """<ir_version: 9, opset_import: ["": 18]>
    g (float[{0},{0}] a) => (float[{0},{0}] y) {{ y = Neg(a) }}"""


@pytest.mark.parametrize("name", ["None", "-1", "unk", "N"])
def test_dimensions_that_share_a_name_without_sharing_a_size(name: str) -> None:
    model = _model(NEG.format("N"))
    for port in (*model.graph.input, *model.graph.output):
        for dim in port.type.tensor_type.shape.dim:
            dim.dim_param = name
    feeds = {"a": np.ones((2, 3), np.float32)}
    session = _session(model, feeds)
    _check(session, model, feeds)
    _check(session, model, {"a": np.ones((4, 1), np.float32)})


def test_arrays_of_another_byte_order() -> None:
    model = _model(NEG.format(2))
    array = np.arange(4, dtype=np.float32).reshape(2, 2)
    session = _session(model, {"a": array.astype(">f4")})
    for given in (array.astype(">f4"), np.asfortranarray(array), np.repeat(array, 2, 0)[::2]):
        np.testing.assert_array_equal(session.run(None, {"a": given})[0], -array)
        given.flags.writeable = False
        np.testing.assert_array_equal(session.run(None, {"a": given})[0], -array)
    with pytest.raises(FeedError, match="is >f8"):
        session.run(None, {"a": array.astype(">f8")})


def test_a_stage_that_onnx_runtime_can_only_run_as_it_is() -> None:
    """Its own optimisations put a Transpose between the rounding and what reads it, with a zero
    point of another type."""
    model = _model(
        """<ir_version: 10, opset_import: ["": 21]>
        g (float[3] x) => (float[1] y, int64[1] at)
          <float scale = {0.1}, int8 zero = {3}, int64[1] one = {1}>
        { q = QuantizeLinear(x, scale, zero)  d = DequantizeLinear(q, scale, zero)
          t = Transpose<perm = [0]>(d)  y, at = TopK<axis = 0>(t, one) }"""
    )
    y, at = _session(model).run(None, {"x": np.array([0.12, 0.5, -1], np.float32)})
    assert y.tolist() == [0.5]
    assert at.tolist() == [1]


FUNCTION = """<ir_version: 9, opset_import: ["": 18, "own": 1]>
    g (float[2,3] x) => (float[2,3] y) {{ y = own.F(x) }}
    <domain: "own", opset_import: [{opsets}]> F (a) => (b) {{ {body} }}"""
FUNCTIONS = {
    "of an older opset": ('"": 17', "q = Relu(a)  b = Add(q, q)"),
    "of a newer opset": ('"": 20', "q = Relu(a)  b = Add(q, q)"),
    "with an operator that has learnt types": ('"": 11', "b = Identity(a)"),
    "with an operator that has a new attribute": ('"": 13', "s = Shape(a)  b = Reshape(a, s)"),
    "with a domain that the model does not import": (
        '"ai.onnx.ml": 1',
        "b = ai.onnx.ml.Scaler <offset = [1.0], scale = [2.0]> (a)",
    ),
}


@pytest.mark.parametrize(("opsets", "body"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_functions_that_import_other_opsets(opsets: str, body: str) -> None:
    model = _model(FUNCTION.format(opsets=opsets, body=body))
    feeds = {"x": np.arange(6, dtype=np.float32).reshape(2, 3) - 3}
    _check(_session(model, feeds), model, feeds)


@pytest.mark.parametrize(
    ("opset", "body"),
    [
        (11, "b = Softmax <axis = 1> (a)"),
        (11, "b = Unsqueeze <axes = [0]> (a)"),
        (13, "b = ReduceMax <axes = [1]> (a)"),
    ],
)
def test_functions_whose_operators_mean_something_else_in_the_model(opset: int, body: str) -> None:
    """ONNX Runtime reads them as the model's own, which is another answer than ONNX has."""
    model = _model(FUNCTION.format(opsets=f'"": {opset}', body=body))
    with pytest.raises(ModelError, match=f"of opset {opset}, and another operator in the model"):
        _session(model)


def test_an_input_without_a_declared_rank(tmp_path: Path) -> None:
    info = h.make_tensor_value_info("a", T.FLOAT, None)
    scale = h.make_tensor_value_info("s", T.FLOAT, ["n"])
    out = h.make_tensor_value_info("y", T.FLOAT, None)
    nodes = [h.make_node("Neg", ["a"], ["b"]), h.make_node("Mul", ["b", "s"], ["y"])]
    graph = h.make_graph(nodes, "g", [info, scale], [out])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 18)], ir_version=9)
    one = np.ones(1, np.float32)
    feeds = {"a": np.ones((2, 3), np.float32), "s": one}
    plan = compile_model(model, feeds=feeds, devices=["cpu.serial"])
    plan.save(tmp_path / "x.plan")
    session = Session(tmp_path / "x.plan")
    assert session.get_inputs()[0].shape == []
    assert build_report(session.planned, read_costs(plan.first.costs)).inputs
    for shape in ((2, 3), (4,), (), (2, 1, 5)):
        feeds = {"a": np.full(shape, 3, np.float32), "s": one}
        _check(session, model, feeds)

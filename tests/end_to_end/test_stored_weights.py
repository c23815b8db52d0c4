"""Plans whose weights are in few bits: small, loaded without quantising, and the same numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut import backends
from stagecut.backends.quantised import products
from stagecut.compiler import Plan, compile_model, spare
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import PlanError
from stagecut.runtime import Session
from tests.support.resealed import resealed
from tests.support.scattered import scattered

_rng = np.random.default_rng(0)
W, V = (_rng.standard_normal(shape).astype(np.float32) for shape in ((64, 128), (128, 64)))
FULL_BYTES = W.nbytes + V.nbytes


def _model(text: str) -> onnx.ModelProto:
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]>\n{text}')
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in {"w": W, "v": V}.items()
    )
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    return model


OPEN = _model(
    "it (float[n, 64] x) => (float[n, 64] y) { h = MatMul(x, w) r = Relu(h) y = MatMul(r, v) }"
)


def _plan(*devices: str, model: onnx.ModelProto = OPEN, **options: object) -> Plan:
    """In one go, by costs that are made up."""
    feeds = {"x": _x(3)}
    return compile_model(model, devices=devices, costs=scattered(0), feeds=feeds, **options)  # type: ignore[arg-type]


def _x(rows: int) -> Tensor:
    return np.random.default_rng(rows).standard_normal((rows, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plans") / "int8.plan"
    _plan("cpu.int8.serial").save(path)
    return path


def test_it_holds_each_weight_once_and_in_few_bits_alone(saved: Path) -> None:
    plan = Plan.load(saved)
    assert plan.weights is not None
    assert plan.weights.full_bytes == FULL_BYTES
    assert plan.weights.stored_bytes < FULL_BYTES / 2
    for model in (plan.first.open_model(), plan.first.staged().programs[0].model):
        weights = model.graph.initializers.values()
        assert [type(each.const_value) for each in weights] == 2 * [QuantisedTensor]


def test_it_runs_at_every_shape_and_quantises_nothing(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [stage] = Plan.load(saved).first.staged().programs
    device = backends.create("cpu.int8.serial")
    full = stage.model.clone()
    for name, array in {"w": W, "v": V}.items():
        full.graph.initializers[name].const_value = ir.tensor(array, name=name)
    expected = device.prepare(type(stage)("full", full, stage.inputs, stage.outputs))([_x(3)])
    monkeypatch.setattr(products, "_written", None)
    session = Session(saved)
    np.testing.assert_array_equal(session.run(None, {"x": _x(3)})[0], expected[0])
    [longer] = session.run(None, {"x": np.concatenate([_x(3), _x(5)])})
    np.testing.assert_allclose(longer[:3], expected[0], rtol=0, atol=1e-4 * np.abs(longer).max())


def test_same_inputs_same_bytes(saved: Path) -> None:
    assert _plan("cpu.int8.serial").archive.path.read_bytes() == saved.read_bytes()


def _with_fallback() -> Plan:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    return _plan("openvino.int8.serial", "cpu.serial", pins=["*=openvino.int8.serial"])


def test_a_fallback_reads_the_weights_that_ship(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _with_fallback()
    assert plan.weights is not None
    assert plan.weights.stored_bytes < FULL_BYTES / 2
    for fallback in (False, True):
        [program] = plan.first.staged(fallback=fallback).programs
        weights = [each.const_value for each in program.model.graph.initializers.values()]
        assert [type(each) for each in weights] == 2 * [QuantisedTensor]
    monkeypatch.setattr(products, "_written", None)
    right = np.maximum(_x(3) @ W, 0) @ V
    stands_in = backends.create("cpu.serial").prepare(program)
    for [found] in (Session(plan).run(None, {"x": _x(3)}), stands_in([_x(3)])):
        assert np.linalg.norm(found - right) < 0.05 * np.linalg.norm(right)


def test_where_it_is_not_right_with_them_they_are_there_in_full_besides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spare, "_is_right", lambda *_: False)
    plan = _with_fallback()
    assert plan.weights is not None
    assert FULL_BYTES < plan.weights.stored_bytes < 1.5 * FULL_BYTES
    [program] = plan.first.staged(fallback=True).programs
    weights = [each.const_value for each in program.model.graph.initializers.values()]
    assert not any(isinstance(each, QuantisedTensor) for each in weights)


def test_a_table_of_embeddings_that_also_scores_is_there_in_full_and_in_few_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model(
        "it (int64[1, n] ids) => (float[1, n, 128] y) "
        "{ e = Gather(v, ids) r = Relu(e) t = Transpose <perm = [1, 0]> (v) y = MatMul(r, t) }"
    )
    del model.graph.initializer[0]
    ids = np.array([[3, 1, 100]])
    plan = compile_model(
        model, devices=["cpu.int8.serial:block=32"], costs=scattered(0), feeds={"ids": ids}
    )
    assert plan.weights is not None
    assert V.nbytes < plan.weights.stored_bytes < 1.5 * V.nbytes
    plan.save(path := tmp_path / "scores.plan")
    monkeypatch.setattr(products, "_written", None)
    session = Session(path)
    for given in (ids, np.array([[7, 8, 9, 10]])):
        [found] = session.run(None, {"ids": given})
        right = np.maximum(V[given], 0) @ V.T
        assert found.shape == right.shape
        assert 0 < np.linalg.norm(found - right) < 0.02 * np.linalg.norm(right)


def test_what_is_written_with_nodes_is_ordinary_onnx_to_read(saved: Path) -> None:
    model = onnx.load_model_from_string(Plan.load(saved).archive.read("stage-000.onnx"))
    assert [node.op_type for node in model.graph.node][:2] == 2 * ["Dequantise"]
    assert {opset.domain for opset in model.opset_import} == {"", "stagecut"}


def _block(model: onnx.ModelProto) -> None:
    [block] = [each for each in model.graph.node[0].attribute if each.name == "block"]
    block.i = 32


def _scales(model: onnx.ModelProto) -> None:
    [scales] = [each for each in model.graph.initializer if each.name == "w/scales"]
    scales.dims[0] //= 2


def _operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Execute"


HOSTILE = {
    "a block that the numbers are not in": (_block, "weight w has values UINT8"),
    "scales of another shape": (_scales, "w/scales|weight w has scales FLOAT"),
    "an operator that there is not": (_operator, "stagecut.Execute, which this version lacks"),
}


@pytest.mark.parametrize(("change", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_plan_with_other_numbers_than_it_says_is_refused(
    saved: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], None], said: str
) -> None:
    archive = Plan.load(saved).archive
    model = onnx.load_model_from_string(archive.read("stage-000.onnx"))
    change(model)
    path = resealed(tmp_path / "x.plan", archive, {"stage-000.onnx": model.SerializeToString()})
    with pytest.raises(PlanError, match=said):
        Session(path)

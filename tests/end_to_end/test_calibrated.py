"""Plans of int8 weights and activations by the ranges of samples, of a model with convolutions."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from stagecut.backends import openvino
from stagecut.compiler import Plan, compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.node_ranges import read_range, written_range
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime import Session

F32, INT8 = "cpu.serial", "cpu.int8-static.serial"
BOTH = (INT8, *(["openvino.int8-static.serial"] if openvino.is_installed() else []))

_rng = np.random.default_rng(0)
WEIGHTS: dict[str, Tensor] = {
    "w": _rng.standard_normal((32, 3, 3, 3)).astype(np.float32) / 5,
    "b": _rng.standard_normal(32).astype(np.float32),
    "v": _rng.standard_normal((64, 32, 3, 3)).astype(np.float32) / 17,
    "u": _rng.standard_normal((64, 10)).astype(np.float32) / 8,
}
FULL_BYTES = sum(array.nbytes for name, array in WEIGHTS.items() if name != "b")


def _model() -> onnx.ModelProto:
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 20]> it (float[n, 3, 12, 12] x) => (float[n, 10] y) '
        "{ h = Conv <pads = [1, 1, 1, 1]> (x, w, b) r = Relu(h) g = Conv(r, v) s = Relu(g) "
        "m = GlobalAveragePool(s) f = Flatten(m) y = MatMul(f, u) }"
    )
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in WEIGHTS.items()
    )
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    return model


def _x(count: int) -> Tensor:
    return np.random.default_rng(count).standard_normal((count, 3, 12, 12)).astype(np.float32)


def _right(x: Tensor) -> Tensor:
    providers = ["CPUExecutionProvider"]
    session = ort.InferenceSession(_model().SerializeToString(), providers=providers)
    [y] = session.run(None, {"x": x})
    return np.asarray(y)


def _plan(*devices: str, folder: Path, **options: object) -> Plan:
    samples = np.stack([_x(seed + 20)[:1] for seed in range(6)])
    np.savez(folder / "samples.npz", x=samples)
    settings = Settings(effort="quick", load=lambda: None, warn=lambda _: None)
    return compile_model(
        _model(),
        devices=devices,
        feeds={"x": samples[0]},
        calibrate=folder / "samples.npz",
        settings=settings,
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module", params=BOTH)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    _plan(request.param, folder=folder, tolerance=0.1).save(folder / "a.plan")
    return folder / "a.plan"


def test_weights_of_convolutions_are_in_8_bits_in_the_plan(saved: Path) -> None:
    plan = Plan.load(saved)
    assert plan.weights is not None
    assert plan.weights.stored_bytes < 0.35 * FULL_BYTES
    for model in (plan.first.open_model(), plan.first.staged().programs[0].model):
        weights = model.graph.initializers.items()
        few = {name for name, value in weights if isinstance(value.const_value, QuantisedTensor)}
        assert few == {"w", "v", "u"}


def test_its_programs_have_the_ranges(saved: Path) -> None:
    [program] = Plan.load(saved).first.staged().programs
    nodes = {node.op_type: node for node in program.model.graph}
    for op in ("Conv", "MatMul"):
        assert read_range(nodes[op]) is not None
    relu = written_range(nodes["Relu"])
    assert relu is not None
    assert relu.low == 0


def test_it_computes_in_integers_at_every_shape(saved: Path) -> None:
    session = Session(saved)
    for count in (1, 3):
        [found] = session.run(None, {"x": _x(count)})
        off = np.linalg.norm(found - _right(_x(count))) / np.linalg.norm(_right(_x(count)))
        assert 1e-4 < off < 0.1


def test_the_error_is_measured_and_predicted(saved: Path) -> None:
    planned = Plan.load(saved).first.planned
    assert planned.precision is not None
    [found] = [each for each in planned.precision.contenders if each.name in BOTH]
    assert found.measured is not None
    assert 0 < found.measured < 0.1
    assert found.predicted == pytest.approx(found.measured, rel=0.5)


def test_a_budget_that_it_does_not_keep_leaves_it_out(tmp_path: Path) -> None:
    planned = _plan(F32, INT8, folder=tmp_path, tolerance=1e-3).first.planned
    assert planned.shipped.name == F32
    assert any(INT8 in told and "left out" in told for told in planned.workarounds)


def test_far_beyond_its_budget_it_is_not_built(tmp_path: Path) -> None:
    planned = _plan(F32, INT8, folder=tmp_path, tolerance=1e-4).first.planned
    assert planned.shipped.name == F32
    assert planned.precision is not None
    [why] = planned.precision.not_built
    assert why.startswith(INT8)
    assert why.endswith("% off)")

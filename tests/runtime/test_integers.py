"""Integers of 64 bits on OpenVINO, which computes with 32: right where these do, else elsewhere."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.ir.errors import StageFault
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime import Session

pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")

_HEADER = '<ir_version: 10, opset_import: ["": 21]>\n'
DEVICES = ["openvino.f32", "cpu.serial"]


def _model(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(_HEADER + text)


def _session(model: onnx.ModelProto) -> Session:
    return Session(compile_model(model, devices=DEVICES, costs=unmeasured))


def _assert_as_onnxruntime(session: Session, model: onnx.ModelProto, x: list[list[int]]) -> None:
    feeds = {"x": np.array(x, np.int64)}
    expected = ort.InferenceSession(model.SerializeToString()).run(None, feeds)
    for found, wanted in zip(session.run(None, feeds), expected, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


MASKS = """
    masks (int64[2,3] x) => (float[a,b] y, int64[b,a] turned, bool[a,b] late)
      <int64 two = {2}, float far = {-1000}>
    { wide = Cast<to = 1>(x)  late = Less(two, x)  y = Where(late, far, wide)
      turned = Transpose<perm = [1, 0]>(x) }
"""


def test_small_integers_run_on_openvino() -> None:
    model = _model(MASKS)
    session = _session(model)
    assert session.get_providers() == ["openvino.f32"]
    _assert_as_onnxruntime(session, model, [[0, 1, 2], [3, -4, 5]])
    _assert_as_onnxruntime(session, model, [[2**31 - 1, -(2**31), 0], [0, 0, 0]])


def test_large_ones_run_on_the_fallback() -> None:
    model = _model(MASKS)
    session = _session(model)
    _assert_as_onnxruntime(session, model, [[2**40, 1, 2], [3, -(2**62), 5]])
    feeds = {"x": np.full((2, 3), 2**40, np.int64)}
    _, trace = session.run_with_trace(None, feeds)
    assert {event.device for event in trace.events} == {"cpu.serial"}
    _assert_as_onnxruntime(session, model, [[0, 1, 2], [3, -4, 5]])


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul"])
def test_what_makes_numbers_larger_is_left_to_onnxruntime(operator: str) -> None:
    model = _model(f"g (int64[2,3] x) => (int64[2,3] y) {{ y = {operator}(x, x) }}")
    session = _session(model)
    assert session.get_providers() == ["cpu.serial"]
    _assert_as_onnxruntime(session, model, [[2**30, 1, 2], [3, -(2**31), 5]])


def test_floats_that_become_integers_are_left_to_onnxruntime() -> None:
    model = _model("g (int64[2,3] x) => (int64[2,3] y) { f = Cast<to = 1>(x) y = Cast<to = 7>(f) }")
    assert "cpu.serial" in _session(model).get_providers()


def test_large_weights_are_refused_when_the_stage_is_built() -> None:
    """Profiling works around it, and where it was skipped, the next best plan ships."""
    text = f"g (int64[1,2] x) => (bool[1,2] y) <int64[2] w = {{1, {2**40}}}> {{ y = Less(x, w) }}"
    model = _model(text)
    by_costs = compile_model(model, devices=DEVICES, costs=unmeasured).first.planned
    assert any("w holds integers of more than 24 bits" in told for told in by_costs.workarounds)
    assert set(by_costs.schedule.device_of.values()) == {"cpu.serial"}
    with pytest.raises(StageFault, match="w holds integers of more than 24 bits"):
        compile_model(model, devices=DEVICES, costs=unmeasured, pins=["*=openvino.f32"])
    plan = compile_model(_model(text), devices=DEVICES)
    assert any("24 bits" in told for told in plan.first.planned.workarounds)
    _assert_as_onnxruntime(Session(plan), _model(text), [[2**39, 2**41]])


def test_samples_with_large_ones_keep_a_node_off_openvino() -> None:
    """Profiling finds out."""
    model, feeds = _model(MASKS), {"x": np.full((2, 3), 2**40, np.int64)}
    plan = compile_model(model, devices=DEVICES, feeds=feeds)
    assert any("24 bits" in told for told in plan.first.planned.workarounds)
    _assert_as_onnxruntime(Session(plan), model, feeds["x"].tolist())


def test_large_ones_at_another_shape_run_on_the_fallback() -> None:
    model = _model(MASKS.replace("int64[2,3] x", "int64[n,3] x"))
    feeds = {"x": np.ones((2, 3), np.int64)}
    session = Session(compile_model(model, devices=DEVICES, costs=unmeasured, feeds=feeds))
    _assert_as_onnxruntime(session, model, [[1, 2, 3]])
    _assert_as_onnxruntime(session, model, [[2**40, 2, 3]])


def test_the_command_says_which_stages_ran(tmp_path: Path) -> None:
    model = _model(MASKS)
    compile_model(model, devices=DEVICES, costs=unmeasured).save(tmp_path / "x.plan")
    np.save(tmp_path / "x.npy", np.full((2, 3), 2**40, np.int64))
    arguments = ["run", "x.plan", "--input", "x=x.npy", "--json"]
    command = [sys.executable, "-m", "stagecut.compiler.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    document = json.loads(done.stdout)
    assert document["fallback"]
    assert [stage["device"] for stage in document["stages"]] == ["cpu.serial"]

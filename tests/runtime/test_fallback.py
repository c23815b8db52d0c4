"""A plan whose engine is missing: a clear error, or its fallback."""

from dataclasses import replace
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.profiling import profile_model
from stagecut.runtime import Session
from stagecut.runtime.feeds import random_feeds

pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")
DEVICES = ["cpu.serial", "openvino.f32"]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By a table in which OpenVINO takes next to no time."""
    costs = profile_model("zoo:tiny-mlp", devices=DEVICES).costs
    nodes = tuple(
        replace(node, run_s={**node.run_s, "openvino.f32": 1e-9})
        for node in costs.nodes
        if "openvino.f32" in node.run_s
    )
    assert len(nodes) == len(costs.nodes)
    devices = tuple(replace(device, stage_s=0.0) for device in costs.machine.devices)
    costs = replace(costs, nodes=nodes, machine=replace(costs.machine, devices=devices))
    path = tmp_path_factory.mktemp("plan") / "x.plan"
    compile_model("zoo:tiny-mlp", devices=DEVICES, costs=costs).save(path)
    return path


@pytest.fixture
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    found = util.find_spec
    monkeypatch.setattr(
        "stagecut.backends.openvino.find_spec",
        lambda name: None if name == "openvino" else found(name),
    )


def test_the_plan_keeps_what_needs_no_further_engine(plan: Path) -> None:
    planned = Plan.load(plan).first.planned
    assert {stage.device for stage in planned.schedule.stages} == {"openvino.f32"}
    assert planned.fallback is not None
    assert {stage.device for stage in planned.fallback.schedule.stages} == {"cpu.serial"}


@pytest.mark.usefixtures("no_openvino")
def test_a_missing_engine_is_named_with_its_package_and_the_way_out(plan: Path) -> None:
    with pytest.raises(DeviceError, match="openvino is not installed") as error:
        Session(plan)
    assert "pip install 'stagecut[openvino]'" in error.value.fix
    assert "--fallback" in error.value.fix


@pytest.mark.usefixtures("no_openvino")
def test_the_fallback_gives_the_same_answers(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fallback = Session(plan, fallback=True)
    assert fallback.is_fallback
    assert fallback.get_providers() == ["cpu.serial"]
    feeds = random_feeds(fallback.planned.inputs, 0)
    [found] = fallback.run(None, feeds)
    monkeypatch.undo()
    [expected] = Session(plan, fallback=True).run(None, feeds)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_with_all_engines_there_the_plan_itself_runs(plan: Path) -> None:
    session = Session(plan, fallback=True)
    assert not session.is_fallback
    assert session.get_providers() == ["openvino.f32"]


def test_a_plan_that_needs_no_other_engine_keeps_no_fallback() -> None:
    assert compile_model("zoo:tiny-mlp", devices=["cpu.serial"]).first.planned.fallback is None

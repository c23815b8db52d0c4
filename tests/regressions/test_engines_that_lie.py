"""An engine that can run a model need not run it right.

OpenVINO read the Softmax of opset 11, which normalises over all of C x H x W, as that of opset 13,
and a plan that was off by 556 times its largest number shipped without a word.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.errors import ToleranceError, WrongAnswerError
from stagecut.compiler.ir.plan import PlannedNode, PlannedVariant
from stagecut.runtime import Session
from tests.support import lying
from tests.support.reference import run_reference
from tests.support.scattered import scattered_costs

QUICK = Settings(effort="quick")

#: Softmax of opset 11 over the 48 numbers of each image, and one matrix product before it.
SOFTMAX = onnx.parser.parse_model(
    """<ir_version: 7, opset_import: ["": 11]>
    images (float[1,3,4,4] x) => (float[1,3,4,4] y)
      <float[4,4] w = {1,0,0,1, 0,1,1,0, 2,0,0,2, 0,2,2,0}>
    { h = MatMul(x, w)  r = Relu(h)  y = Softmax<axis = 1>(r) }"""
)
X = np.random.default_rng(0).standard_normal((1, 3, 4, 4)).astype(np.float32)
FEEDS = {"x": X}


@pytest.fixture(autouse=True)
def _lying(monkeypatch: pytest.MonkeyPatch) -> None:
    lying.use(monkeypatch)


def _compiled(*devices: str, tolerance: float | None = None) -> Plan:
    return compile_model(SOFTMAX, feeds=FEEDS, devices=devices, tolerance=tolerance, settings=QUICK)


def _check_right(plan: Plan, feeds: dict[str, np.ndarray]) -> None:
    [expected] = run_reference(SOFTMAX, feeds)
    [found] = Session(plan).run(None, feeds)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_openvino_with_a_softmax_of_opset_11() -> None:
    pytest.importorskip("openvino")
    plan = _compiled("cpu.serial", "openvino.f32")
    _check_right(plan, FEEDS)
    assert plan.first.planned.accuracy[0].relative < 1e-3


HOW = [*lying.ALWAYS, "zero", "large", "unseen"]


@pytest.mark.parametrize("how", HOW)
def test_a_liar_runs_nothing_that_it_lies_about(how: str) -> None:
    """It has one device beside it that tells the truth."""
    plan = _compiled("cpu.serial", f"lying:how={how}")
    planned = plan.first.planned
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    assert any("lying" in told for told in planned.workarounds)
    assert planned.checks is not None
    for inputs in (FEEDS, {"x": np.zeros_like(X)}, {"x": 100 * X}):
        _check_right(plan, inputs)


@pytest.mark.parametrize(
    ("how", "told"),
    [("in place", "writes into its inputs"), ("one buffer", "writes over what it handed back")],
)
def test_an_engine_that_changes_what_is_not_its_own_runs_nothing(how: str, told: str) -> None:
    """Its numbers are right, in the first run: the samples, and answers that somebody has, change
    later."""
    before = X.copy()
    plan = _compiled("cpu.serial", f"lying:how={how}")
    np.testing.assert_array_equal(X, before)
    planned = plan.first.planned
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    assert any("lying" in each and told in each for each in planned.workarounds)
    _check_right(plan, FEEDS)


def test_only_the_nodes_that_it_lies_about_are_kept_off_it() -> None:
    """The liar is pinned to the rest, which runs there still."""
    plan = compile_model(
        SOFTMAX,
        feeds=FEEDS,
        devices=("cpu.serial", "lying:how=zeros,on=Softmax"),
        pins=("MatMul*=lying",),
        granularity="op",
        settings=QUICK,
    )
    planned = plan.first.planned
    assert planned.schedule.device_of["MatMul"] == "lying"
    assert planned.schedule.device_of["Softmax"] == "cpu.serial"
    [told] = planned.workarounds
    assert told.startswith("Softmax is not run on lying: on the sample inputs, y is off by")
    assert "lying" in _node(planned, "Softmax").refusals
    _check_right(plan, FEEDS)


def _node(planned: PlannedVariant, name: str) -> PlannedNode:
    return next(node for node in planned.nodes if node.name == name)


def test_with_a_liar_alone_the_reference_ships() -> None:
    """Which is told, and why."""
    said: list[str] = []
    quiet = replace(QUICK, warn=said.append, load=lambda: None)
    plan = compile_model(SOFTMAX, feeds=FEEDS, devices=["lying:how=nan"], settings=quiet)
    assert said == [f"worked around: {told}" for told in plan.first.planned.workarounds]
    assert set(plan.first.planned.schedule.device_of.values()) == {"cpu.serial"}
    assert plan.first.planned.workarounds[0].startswith("cpu.serial is added to the devices")
    _check_right(plan, FEEDS)


def test_where_nothing_right_can_be_made_the_error_says_what_is_wrong() -> None:
    with pytest.raises(WrongAnswerError, match="NaN or an infinity") as error:
        compile_model(
            SOFTMAX,
            feeds=FEEDS,
            devices=("cpu.serial", "lying:how=nan"),
            pins=("*=lying",),
            settings=QUICK,
        )
    assert "lying" in error.value.where
    assert error.value.fix


def test_what_is_a_little_off_ships_where_that_is_tolerated() -> None:
    plan = compile_model(
        SOFTMAX, feeds=FEEDS, devices=["lying:how=off"], tolerance=0.01, settings=QUICK
    )
    assert set(plan.first.planned.schedule.device_of.values()) == {"lying"}
    with pytest.raises(ToleranceError, match="closest"):
        _compiled("lying:how=zeros", tolerance=0.01)


def test_a_format_of_fewer_bits_explains_as_much() -> None:
    planned = _compiled("lying:how=off,precision=bf16").first.planned
    assert set(planned.schedule.device_of.values()) == {"lying"}
    planned = _compiled("lying:how=zeros,precision=bf16").first.planned
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}


@pytest.mark.parametrize("on", ["", "Softmax"])
def test_costs_that_were_handed_in_ship_no_lie(on: str, tmp_path: Path) -> None:
    """By the table the liar is much faster."""
    devices = ("cpu.serial", f"lying:how=zeros,on={on}" if on else "lying:how=zeros")
    table = scattered_costs(SOFTMAX, devices, seed=0, granularity="op")
    fast = lying.favoured(table, "lying")
    plan = compile_model(
        SOFTMAX, feeds=FEEDS, devices=devices, costs=fast, granularity="op", settings=QUICK
    )
    _check_right(plan, FEEDS)
    assert plan.first.planned.schedule.device_of["Softmax"] == "cpu.serial"
    assert any("lying" in told for told in plan.first.planned.workarounds)


def test_a_nan_that_must_not_reach_an_output() -> None:
    """Each row by itself: a NaN in one is none of the other's business."""
    rows = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]>
        rows (float[8,4] x) => (float[8,4] y) { y = Softmax<axis = 1>(x) }"""
    )
    feeds = {"x": np.random.default_rng(1).standard_normal((8, 4)).astype(np.float32)}
    devices = ("cpu.serial", "lying:how=nan-in")
    planned = compile_model(rows, feeds=feeds, devices=devices, settings=QUICK).first.planned
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    [told] = planned.workarounds
    assert "on NaN and infinities" in told


ROWS = onnx.parser.parse_model(
    """<ir_version: 8, opset_import: ["": 17]>
    rows (float[rows,4] x, float[more,4] z) => (float[rows,4] y, float[more,4] v)
    { y = Softmax<axis = 1>(x)  v = Relu(z) }"""
)
TWO = np.ones((2, 4), np.float32)


@pytest.mark.parametrize("by_costs", [False, True])
def test_what_is_wrong_at_other_shapes_does_not_ship(by_costs: bool) -> None:
    """Two rows were asked for; the liar is honest with two, and lies about three."""
    devices = ("cpu.serial", "lying:how=three")
    feeds = {"x": TWO, "z": TWO}
    table = scattered_costs(ROWS, devices, seed=0, feeds=feeds) if by_costs else None
    plan = compile_model(
        ROWS,
        feeds=feeds,
        devices=devices,
        costs=None if table is None else lying.favoured(table, "lying"),
        settings=QUICK,
    )
    planned = plan.first.planned
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    three = {"x": np.ones((3, 4), np.float32), "z": TWO}
    [y, _] = Session(plan).run(None, three)
    np.testing.assert_allclose(y, 0.25, rtol=1e-6)


def test_what_is_wrong_at_other_shapes_is_told() -> None:
    """It is much faster by the costs, so that it is what is tried."""
    devices = ("cpu.serial", "lying:how=three")
    feeds = {"x": TWO, "z": TWO}
    table = lying.favoured(scattered_costs(ROWS, devices, seed=0, feeds=feeds), "lying")
    planned = compile_model(
        ROWS, feeds=feeds, devices=devices, costs=table, settings=QUICK
    ).first.planned
    told = [each for each in planned.workarounds if "lying" in each]
    assert "on inputs of other shapes (x 3x4, z 3x4), y is off by" in told[0]
    with pytest.raises(WrongAnswerError, match="other shapes"):
        compile_model(
            ROWS,
            feeds=feeds,
            devices=devices,
            costs=table,
            pins=["*=lying"],
            settings=QUICK,
        )
    with pytest.raises(WrongAnswerError, match="other shapes"):
        compile_model(
            ROWS, feeds=feeds, devices=devices, pins=["*=lying"], tolerance=0.1, settings=QUICK
        )


def test_what_does_not_run_at_other_shapes_is_not_wrong_there() -> None:
    """Nor is it said to be right there."""
    feeds = {"x": TWO, "z": TWO}
    table = scattered_costs(ROWS, ["lying:how=refuses-three"], seed=0, feeds=feeds)
    planned = compile_model(
        ROWS, feeds=feeds, devices=["lying:how=refuses-three"], costs=table, settings=QUICK
    ).first.planned
    assert planned.checks is not None
    assert not any("other shapes" in name for name in planned.checks.inputs)

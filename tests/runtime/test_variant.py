"""A variant creates the devices and the stages that it needs, and no others."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler import Plan, compile_model
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.costs import CostTable, Endpoint
from stagecut.compiler.ir.errors import StageFault
from stagecut.runtime import Session, variant
from stagecut.runtime.executor import Executor
from stagecut.runtime.unprofiled_shapes import UnprofiledShapes
from stagecut.runtime.variant import Variant
from tests.support.onnx_models import MODELS, TinyModel
from tests.support.scattered import costs_of, expand

DEVICES = ("cpu.serial", "pim.hbm")
MODEL = TinyModel("g (float[4] x) => (float[4] y) { y = Exp(x) }")  # pim.hbm has no exponential


@pytest.fixture
def costs() -> CostTable:
    return costs_of(expand(load_program(MODEL.proto()), DEVICES, "op"), seed=0)


def test_an_output_that_must_end_in_the_memory_of_an_unused_device(costs: CostTable) -> None:
    ending = replace(costs, outputs=(Endpoint("y", "pim.hbm"),))
    plan = compile_model(MODEL.proto(), devices=DEVICES, costs=ending, granularity="op")
    session = Session(plan)
    (output,), trace = session.run_with_trace(["y"], {"x": np.zeros(4, np.float32)})
    assert output.tolist() == [1.0] * 4
    made = [event.name for event in trace.events if event.kind == "transfer"]
    assert len(made) == len([*session.schedule.transfers]) == 1


def test_a_device_that_nothing_runs_on_is_not_created(
    costs: CostTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = compile_model(MODEL.proto(), devices=DEVICES, costs=costs, granularity="op")
    created: list[str] = []
    create = backends.create_from_plan

    def noted(specs: object, *listener: object) -> object:
        engines = create(specs, *listener)  # type: ignore[arg-type]
        created.extend(engines)
        return engines

    monkeypatch.setattr(backends, "create_from_plan", noted)
    Session(plan).run(None, {"x": np.zeros(4, np.float32)})
    assert created == ["cpu.serial"]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Executor]:
    """What is prepared for the profiled shapes."""
    prepared: list[Executor] = []

    def noted(*arguments: Any) -> Executor:
        prepared.append(Executor(*arguments))
        return prepared[-1]

    monkeypatch.setattr(variant, "Executor", noted)
    return prepared


@pytest.fixture(scope="module")
def open_plan() -> Plan:
    model = MODELS["symbolic dimensions"]
    return compile_model(model.proto(), devices=["cpu.serial"], shapes=model.shapes)


def _answers(found: Variant, rows: int) -> list[np.ndarray]:
    """At the profiled shape with `rows` times its first dimension."""
    feeds = {
        port.name: np.ones((rows * port.shape[0], *port.shape[1:]), port.dtype)
        for port in found.planned.inputs
    }
    shapes = tuple(array.shape for array in feeds.values())
    return [*found.outputs(feeds, shapes).values(), *found.run(feeds, shapes)[0].values()]


def test_one_that_grows_prepares_its_stages_once(open_plan: Plan, made: list[Executor]) -> None:
    grown = Variant(open_plan.first, grows=True)
    assert not made
    usual = Variant(open_plan.first)
    assert len(made) == 1
    for rows in (1, 2):
        for one, other in zip(_answers(grown, rows), _answers(usual, rows), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_one_that_grows_where_an_engine_has_to_know_the_sizes(
    open_plan: Plan, made: list[Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: UnprofiledShapes) -> Executor:
        raise StageFault("open", stage=0, device="cpu.serial")

    monkeypatch.setattr(UnprofiledShapes, "_for_any", refused)
    grown = Variant(open_plan.first, grows=True)
    assert len(made) == 1
    assert [len(_answers(grown, rows)) for rows in (1, 2)] == [2, 2]


def test_one_that_grows_beside_a_modelled_device(made: list[Executor]) -> None:
    """Its outputs need no stages of one shape, and what it took is said of one."""
    model = MODELS["symbolic dimensions"]
    plan = compile_model(model.proto(), devices=["null"], shapes=model.shapes)
    grown = Variant(plan.first, grows=True)
    assert not made
    for rows in (1, 2):
        first, second = _answers(grown, rows)
        np.testing.assert_array_equal(first, second)

"""A variant creates the devices that its schedule needs, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.costs import CostTable, Endpoint
from stagecut.runtime import Session
from tests.support.onnx_models import TinyModel
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

    def noted(specs: object) -> object:
        engines = create(specs)  # type: ignore[arg-type]
        created.extend(engines)
        return engines

    monkeypatch.setattr(backends, "create_from_plan", noted)
    Session(plan).run(None, {"x": np.zeros(4, np.float32)})
    assert created == ["cpu.serial"]

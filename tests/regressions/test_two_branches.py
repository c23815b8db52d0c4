"""Two branches on two devices: the order that runs is the order that was priced and proved.

    x -> Relu -> Tanh          1.0 s a node on cpu.serial, 2.2 s on cpu.parallel
    z -> Exp -> Sigmoid        the other way round; starting a stage takes 1 s

In the model's order (Relu, Exp, Tanh, Sigmoid) everything on its cheap device starts four stages,
8.0 s; the plan said "no other assignment costs less" at 7.2 s, and ran the two branches one after
the other, which takes 6.0 s.
"""

from dataclasses import replace

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.report.model.build import build_report
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.partition import Partition
from stagecut.runtime import Session
from tests.support.scattered import scattered_costs
from tests.support.tables import cheapest_in_order, cheapest_of_all

DEVICES = ("cpu.serial", "cpu.parallel")
MODEL = onnx.parser.parse_model(
    """<ir_version: 10, opset_import: ["": 21]>
    branches (float[2] x, float[2] z) => (float[2] y, float[2] w)
    { [relu] a = Relu(x)  [exp] b = Exp(z)  [tanh] y = Tanh(a)  [sigmoid] w = Sigmoid(b) }"""
)


@pytest.fixture(scope="module")
def table() -> CostTable:
    drawn = scattered_costs(MODEL, DEVICES, seed=0, granularity="op")
    devices = tuple(replace(device, stage_s=1.0) for device in drawn.machine.devices)
    costs_s = {"Relu": (1.0, 2.2), "Tanh": (1.0, 2.2), "Exp": (2.2, 1.0), "Sigmoid": (2.2, 1.0)}
    nodes = tuple(
        replace(node, run_s=dict(zip(DEVICES, costs_s[node.op], strict=True)))
        for node in drawn.nodes
    )
    return replace(drawn, machine=replace(drawn.machine, devices=devices), nodes=nodes)


def test_no_schedule_takes_less_than_six_seconds(table: CostTable) -> None:
    assert cheapest_in_order(table) == pytest.approx(7.2)
    assert cheapest_of_all(table) == pytest.approx(6.0)


def test_the_partition_finds_and_proves_it(table: CostTable) -> None:
    best = Partition()(table)
    assert best.total_s == pytest.approx(6.0)
    assert (best.certificate.exact, best.certificate.scope) == (True, "all schedules")
    assert [stage.nodes for stage in best.schedule.stages] == [("relu", "tanh"), ("exp", "sigmoid")]
    assert Milp()(table).certificate.lower_bound <= 6.0 + 1e-9


def test_the_plan_predicts_stores_and_runs_it(table: CostTable) -> None:
    plan = compile_model(MODEL, devices=DEVICES, costs=table, granularity="op")
    planned = plan.first.planned
    assert planned.account.latency_s == pytest.approx(6.0)
    session = Session(plan)
    feeds = {port.name: np.array([0.5, 0.25], np.float32) for port in planned.inputs}
    _, trace = session.run_with_trace(None, feeds)
    ran = [event.device for event in trace.events]
    assert ran == [stage.device for stage in planned.schedule.stages] == [*DEVICES]
    summary = build_report(planned, read_costs(plan.first.costs)).summary
    assert summary.predicted.time_s == pytest.approx(6.0)
    assert summary.certificate.claim == "optimal: no other schedule costs less"

"""A table whose output must end in another memory: the transfers that are planned are made.

The plan named one transfer, the run made two: the output was brought to where the table wants it,
and back to the host, from where every plan hands its outputs back.
"""

from dataclasses import replace

import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.costs import CostTable, Endpoint
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.schedule import Transfer
from stagecut.compiler.report.model.build import build_report
from stagecut.runtime import Session
from stagecut.runtime.feeds import random_feeds
from tests.support.onnx_models import MODELS
from tests.support.scattered import scattered_costs

DEVICES = ("cpu.serial", "null:memory=pim")
CHAIN = MODELS["chain"].proto()

#: Where everything runs, and what has to be transferred.
CASES = {
    "everything runs on the host": (
        "cpu.serial",
        [("y", Route("host", "pim"))],
    ),
    "everything runs where it must end": (
        "null",
        [("x", Route("host", "pim")), ("y", Route("pim", "host"))],
    ),
}


def _table(device: str) -> CostTable:
    table = scattered_costs(CHAIN, DEVICES, seed=0)
    nodes = tuple(
        replace(node, run_s={name: 0.0 if name == device else 9.0 for name in node.run_s})
        for node in table.nodes
    )
    return replace(table, nodes=nodes, outputs=(Endpoint("y", "pim"),))


@pytest.mark.parametrize(("device", "transfers"), CASES.values(), ids=CASES.keys())
def test_what_is_planned_is_what_runs(device: str, transfers: list[tuple[str, Route]]) -> None:
    plan = compile_model(CHAIN, devices=DEVICES, costs=_table(device))
    planned = plan.first.planned
    assert [*planned.schedule.transfers] == [Transfer(*each) for each in transfers]
    session = Session(plan)
    _, trace = session.run_with_trace(None, random_feeds(session.planned.inputs, 0))
    made = [(event.name, event.route) for event in trace.events if event.kind == "transfer"]
    assert made == transfers
    report = build_report(planned, read_costs(plan.first.costs), trace)
    assert [(row.value, Route(row.source, row.target)) for row in report.transfers] == transfers

"""What runs where a plan's engines are missing: the best that needs nothing but ONNX Runtime."""

from collections.abc import Callable

import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.machine import Device, Machine, Memory
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.fallback import fallback
from stagecut.passes.gate.gate import predicted

ALWAYS = frozenset({"cpu.serial", "cpu.parallel"})

#: What one node takes on each, and which of them it falls back on.
CASES = {
    "the plan needs no other engine": ({"cpu.serial": 1.0, "openvino.f32": 2.0}, None),
    "the better of two": (
        {"cpu.serial": 3.0, "cpu.parallel": 2.0, "openvino.f32": 1.0},
        "cpu.parallel",
    ),
    "a worse one is better than none": ({"cpu.serial": 9.0, "openvino.f32": 1.0}, "cpu.serial"),
    "there is none": ({"openvino.f32": 1.0, "pim.hbm": 2.0}, None),
}


@pytest.mark.parametrize(("costs", "name"), CASES.values(), ids=CASES.keys())
def test_fallback(costs: dict[str, float], name: str | None) -> None:
    proposals = [*map(_alone(costs), costs)]
    found = fallback(proposals, predicted(proposals), _table(costs), LATENCY, ALWAYS)
    assert (None if found is None else found.name) == name


def test_a_rule_against_it_does_not_count_when_the_engine_is_missing() -> None:
    costs = {"openvino.f32": 1.0, "cpu.parallel": 4.0, "cpu.serial": 2.0}
    pinned = [_alone(costs)("openvino.f32")]
    found = fallback(pinned, predicted(pinned), _table(costs), LATENCY, ALWAYS)
    assert found is not None
    assert found.name == "cpu.serial"


def _table(costs: dict[str, float]) -> CostTable:
    machine = Machine((Memory("host"),), tuple(Device(name, "host") for name in costs))
    return CostTable("table", machine, (), (NodeCosts("a", "Op", costs),))


def _alone(costs: dict[str, float]) -> Callable[[str], Proposal]:
    table = _table(costs)

    def proposal(device: str) -> Proposal:
        schedule = Schedule((Stage(device, ("a",)),), (Run(0),))
        id_ = ContenderId(ContenderKind.SINGLE, device)
        return Proposal(id_, schedule, account(table, schedule))

    return proposal

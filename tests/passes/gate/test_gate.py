"""The gate ships the fastest contender, by one and the same account for all."""

from collections.abc import Sequence
from dataclasses import replace

import onnx_ir as ir
import pytest

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.device import Feeds, StageProgram, Tensor
from stagecut.compiler.ir.errors import StageFault
from stagecut.compiler.ir.machine import Device, Machine, Memory
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.progress import silent
from stagecut.compiler.ir.schedule import Runner, Stage
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.passes.gate.contenders import Entry, entries
from stagecut.passes.gate.gate import Gate, predicted
from stagecut.passes.profile.rounds import Rounds

DEVICES = {
    "cpu": Device("cpu", "host"),
    "all": Device("all", "host"),
    "pim": Device("pim", "pim", "modelled"),
}
MACHINE = Machine((Memory("host"), Memory("pim")), tuple(DEVICES.values()))


def _costs(*run_s: dict[str, float]) -> CostTable:
    nodes = tuple(NodeCosts(f"n{index}", "Relu", costs) for index, costs in enumerate(run_s))
    return CostTable("table", MACHINE, (), nodes)


def _stages(assignment: Assignment) -> tuple[Stage, ...]:
    """One stage a node; the gate does not look inside."""
    model = ir.Model(ir.Graph([], [], nodes=[]), ir_version=10)
    return tuple(
        Stage(device, (name,), StageProgram(name, model, (), ()))
        for name, device in assignment.devices.items()
    )


class FakeRunner:
    """Takes what it is told, run after run; the last figure is repeated."""

    def __init__(
        self, stages: Sequence[Stage], walls_s: Sequence[float], modelled_s: float
    ) -> None:
        self._stages = stages
        self._walls_s = list(walls_s)
        self._modelled_s = modelled_s

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        wall_s = self._walls_s.pop(0) if len(self._walls_s) > 1 else self._walls_s[0]
        share_s = wall_s / len(self._stages)
        return {}, Trace(tuple(self._event(i, share_s) for i in range(len(self._stages))), wall_s)

    def _event(self, index: int, share_s: float) -> Event:
        device = DEVICES[self._stages[index].device]
        duration_s = self._modelled_s if device.basis == "modelled" else share_s
        return Event("s", "stage", device.name, device.basis, 0.0, share_s, duration_s, index)


def _gate(walls_s: dict[str, Sequence[float]], modelled_s: float = 0.0) -> Gate:
    """`walls_s` by the devices that a plan uses, joined by `+`; the first run is the warm-up."""

    def build(stages: Sequence[Stage], outputs: Sequence[str]) -> FakeRunner:
        used = "+".join(dict.fromkeys(stage.device for stage in stages))
        return FakeRunner(stages, walls_s[used], modelled_s)

    return Gate(
        build, clock=lambda: 0.0, progress=silent, rounds=Rounds(3, 3, 0.0, warm_up=0, counted=1)
    )


MIXED = Assignment({"n0": "cpu", "n1": "all"})
COSTS = _costs({"cpu": 1.0, "all": 3.0}, {"cpu": 3.0, "all": 1.0})


def test_contenders_are_the_optimum_and_every_device_that_can_run_all_nodes() -> None:
    table = _costs({"cpu": 1.0, "all": 3.0}, {"cpu": 3.0, "all": 1.0, "pim": 0.5})
    assert [entry.name for entry in entries(table, MIXED, LATENCY, _stages)] == [
        "optimum",
        "cpu",
        "all",
    ]


def test_an_optimum_on_one_device_goes_by_the_device_name_only() -> None:
    alone = Assignment({"n0": "all", "n1": "all"})
    assert [entry.name for entry in entries(COSTS, alone, LATENCY, _stages)] == ["all", "cpu"]


CASES: dict[str, tuple[dict[str, Sequence[float]], str]] = {
    "the optimum ships when it is the fastest": (
        {"cpu+all": [9, 2, 2, 2], "cpu": [3], "all": [4]},
        "optimum",
    ),
    "a single device ships when it is the fastest after all": (
        {"cpu+all": [4], "cpu": [3], "all": [2]},
        "all",
    ),
    "one slow run does not decide": (
        {"cpu+all": [2, 2, 90, 2], "cpu": [3], "all": [3]},
        "optimum",
    ),
    "the warm-up does not count": (
        {"cpu+all": [0, 5, 5, 5], "cpu": [3], "all": [4]},
        "cpu",
    ),
    "of equals the optimum ships": (
        {"cpu+all": [3], "cpu": [3], "all": [3]},
        "optimum",
    ),
}


@pytest.mark.parametrize(("walls_s", "shipped"), CASES.values(), ids=CASES.keys())
def test_the_fastest_ships(walls_s: dict[str, Sequence[float]], shipped: str) -> None:
    found = _gate(walls_s)(entries(COSTS, MIXED, LATENCY, _stages), {}, []).contenders
    assert [contender.name for contender in found if contender.chosen] == [shipped]
    assert all(contender.accounting == "measured" and contender.runs == 3 for contender in found)


def test_modelled_parts_count_at_their_modelled_time() -> None:
    mixed = Assignment({"n0": "cpu", "n1": "pim"})
    gate = _gate({"cpu+pim": [8.0]}, modelled_s=0.5)
    [contender] = gate([Entry("optimum", mixed, _stages(mixed))], {}, []).contenders
    assert contender.median_s == 4.5  # half of the wall was simulating the pim
    assert contender.basis == "modelled"
    assert contender.stage_s == (4.0, 0.5)


def test_a_table_that_was_handed_in_decides_by_itself() -> None:
    found = predicted(entries(COSTS, MIXED, LATENCY, _stages), COSTS).contenders
    assert [(c.name, c.median_s, c.accounting) for c in found] == [
        ("optimum", 2.0, "predicted"),
        ("cpu", 4.0, "predicted"),
        ("all", 4.0, "predicted"),
    ]
    assert [c.chosen for c in found] == [True, False, False]


def test_a_plan_that_an_engine_cannot_run_is_dropped_and_told() -> None:
    gate = _gate({"cpu": [3], "all": [4]})

    def build(stages: Sequence[Stage], outputs: Sequence[str]) -> Runner:
        if len({stage.device for stage in stages}) > 1:
            raise StageFault("no memory", stage=1, device="all")
        return gate.build(stages, outputs)

    found = replace(gate, build=build)(entries(COSTS, MIXED, LATENCY, _stages), {}, [])
    assert [contender.name for contender in found.contenders] == ["cpu", "all"]
    assert found.dropped == ("plan optimum is left out: stage 1 on all: no memory",)


def test_when_no_plan_runs_the_first_fault_is_the_error() -> None:
    def build(stages: Sequence[Stage], outputs: Sequence[str]) -> Runner:
        raise StageFault("no memory", stage=0, device=stages[0].device)

    gate = replace(_gate({}), build=build)
    with pytest.raises(StageFault, match="no memory") as fault:
        gate(entries(COSTS, MIXED, LATENCY, _stages), {}, [])
    assert fault.value.device == "cpu"

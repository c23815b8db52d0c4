"""Who is compared: the optimum, its plainer cousin, devices alone, and devices first."""

import onnx_ir as ir

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.schedule import Stage
from stagecut.passes.gate.contenders import entries
from stagecut.passes.partition.partition import Partition
from tests.support.tables import cost_table


def _stage(assignment: Assignment) -> tuple[Stage, ...]:
    model = ir.Model(ir.Graph([], [], nodes=[]), ir_version=10)
    return (Stage("cpu", tuple(assignment), StageProgram("all", model, (), ())),)


def _compared(table: CostTable) -> dict[str, str]:
    best = Partition()(table).assignment
    found = entries(table, best, LATENCY, _stage)
    return {entry.name: " ".join(entry.assignment.devices.values()) for entry in found}


def test_devices_that_cannot_run_everything_take_part_with_the_help_of_others() -> None:
    table = cost_table("a: cpu 5, gang 4\n b(a): cpu 5\n c(b): cpu 4, gang 5")
    assert _compared(table) == {
        "optimum": "gang cpu cpu",
        "cpu": "cpu cpu cpu",
        "gang first": "gang cpu gang",
    }


def test_an_optimum_of_many_stages_brings_one_of_fewer() -> None:
    ups = "\n".join(
        f"n{i}(n{i - 1}): cpu {10 + i % 2 / 100}, gang {10.005}" if i else "n0: cpu 10, gang 10.005"
        for i in range(12)
    )
    table = cost_table(ups)
    found = _compared(table)
    assert found["optimum"].split().count("gang") == 6
    assert set(found) >= {"optimum", "cpu", "gang"}


def test_the_same_plan_is_compared_once() -> None:
    table = cost_table("a: cpu 1, gang 2\n b(a): cpu 1")
    assert _compared(table) == {"cpu": "cpu cpu", "gang first": "gang cpu"}


def test_a_device_without_room_is_no_contender() -> None:
    table = cost_table("a: cpu 3, pim 1\n b(a): cpu 3, pim 1", move_us={})
    assert set(_compared(table)) == {"pim", "cpu"}

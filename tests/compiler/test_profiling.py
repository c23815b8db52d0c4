"""The first half of a compile by itself: it measures what a compile would, and says what."""

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.costs import CostModel, CostTable
from stagecut.compiler.profiling import (
    expand_model,
    plan_profile,
    profile_model,
)
from tests.support.onnx_models import MODELS

RESIDUAL = MODELS["residual"].proto()
QUICK = Settings(effort="quick")


def _compiled(devices: list[str], costs: CostTable | CostModel) -> Plan:
    return compile_model(RESIDUAL, devices=devices, costs=costs, settings=QUICK)


def test_what_was_profiled_is_what_is_compiled_from() -> None:
    profiled = profile_model(RESIDUAL, devices=["cpu.serial", "null:memory=pim"], settings=QUICK)
    assert [path.name for path in profiled.paths] == ["cpu.serial"]
    planned = plan_profile(RESIDUAL, devices=["cpu.serial", "null:memory=pim"])
    assert [path.name for path in planned.paths] == ["cpu.serial"]
    plan = _compiled(["cpu.serial", "null:memory=pim"], profiled.costs)
    assert read_costs(plan.first.costs).nodes == profiled.costs.nodes


def test_who_could_run_what() -> None:
    expanded = expand_model(RESIDUAL, devices=["cpu.serial", "null:operators=Relu"])
    able = {name for name, devices in expanded.candidates.items() if "null" in devices}
    assert able <= {node.name for node in expanded.graph.nodes}
    assert all("cpu.serial" in devices for devices in expanded.candidates.values())

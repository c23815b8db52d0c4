"""A question: costs that are handed in, for each shape, and what is answered where devices fail."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, Endpoint
from stagecut.compiler.ir.errors import CostTableError, UsageError
from stagecut.compiler.measure.crash_journal import CrashJournal
from stagecut.passes.profile.synthetic import unmeasured
from tests.support.onnx_models import MODELS
from tests.support.scattered import expand, scattered_costs

RESIDUAL = MODELS["residual"].proto()
QUICK = Settings(effort="quick")

OPEN = onnx.parser.parse_model(
    """<ir_version: 10, opset_import: ["": 21]>
    open (float[n,4] x) => (float[n,4] y) { y = Relu(x) }"""
)
TWO, THREE = {"x": (2, 4)}, {"x": (3, 4)}


def _compiled(model: object, *devices: str, **options: Any) -> Plan:
    return compile_model(model, devices=devices, settings=QUICK, **options)


def test_a_table_is_completed_by_the_ends_of_the_model() -> None:
    """What starts and ends nowhere in the table starts and ends on the host."""
    table = replace(scattered_costs(RESIDUAL, ["cpu.serial"], seed=0), inputs=(), outputs=())
    plan = _compiled(RESIDUAL, "cpu.serial", costs=table)
    stored = read_costs(plan.first.costs)
    assert stored.inputs == (Endpoint("x", "host"),)
    assert stored.outputs == (Endpoint("y", "host"),)


def test_a_cost_model_says_what_the_graph_costs_at_each_shape() -> None:
    asked: list[tuple[int, ...]] = []

    def model(expanded: ExpandedGraph) -> CostTable:
        asked.append(expanded.graph.inputs[0].shape)
        return unmeasured(expanded)

    plan = compile_model(OPEN, devices=["null", "cpu.serial"], costs=model, shapes=[TWO, THREE])
    assert asked == [(2, 4), (3, 4)]
    for variant in plan.variants:
        assert set(variant.planned.schedule.device_of.values()) == {"null"}
        assert variant.planned.certificate.exact


def test_a_cost_model_that_makes_no_table() -> None:
    with pytest.raises(UsageError, match="it makes None") as error:
        _compiled(RESIDUAL, "cpu.serial", costs=lambda _: None)
    assert error.value.where == "costs"
    with pytest.raises(UsageError, match="cannot be handed to another process"):
        _compiled(RESIDUAL, "cpu.serial", costs=unmeasured, isolated=True)


def test_tables_that_are_for_something_else() -> None:
    table = scattered_costs(RESIDUAL, ["cpu.serial", "null:memory=pim"], seed=0)
    elsewhere = replace(table, inputs=(Endpoint("x", "pim"),))
    with pytest.raises(CostTableError) as error:
        _compiled(RESIDUAL, "cpu.serial", "null:memory=pim", costs=elsewhere)
    assert error.value.where == "inputs[0].memory"
    with pytest.raises(CostTableError, match="only in the table") as error:
        _compiled(MODELS["chain"].proto(), "cpu.serial", costs=table)
    devices = ["cpu.serial", "null:memory=pim"]
    single = scattered_costs(RESIDUAL, devices, seed=0, granularity="op")
    with pytest.raises(CostTableError, match="null cannot run 'MatMul'") as error:
        _compiled(
            RESIDUAL,
            "cpu.serial",
            "null:memory=pim,operators=Relu",
            costs=single,
            granularity="op",
        )
    assert error.value.where == "nodes[0].run_s.null"
    several = [{"x": (2, 4)}, {"x": (2, 4)}]
    with pytest.raises(UsageError, match="one shape"):
        _compiled(RESIDUAL, "cpu.serial", costs=table, shapes=several)


@pytest.mark.parametrize("devices", [None, ["null"]], ids=["all", "named"])
def test_in_the_end_the_reference_alone_makes_the_plan(
    tmp_path: Path, devices: list[str] | None
) -> None:
    CrashJournal(tmp_path).use_only_reference("the process crashed (SIGSEGV)")
    settings = replace(QUICK, notes=tmp_path)
    costs = unmeasured(expand(load_program("zoo:tiny-mlp"), ["null"], "cluster"))
    plan = compile_model("zoo:tiny-mlp", devices=devices, costs=costs, settings=settings)
    assert set(plan.first.planned.schedule.device_of.values()) == {"cpu.serial"}
    assert plan.first.planned.workarounds[0] == "the process crashed (SIGSEGV)"

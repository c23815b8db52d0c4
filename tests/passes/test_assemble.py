"""What a plan says of itself is what was found out: ports, nodes, stages and what was observed."""

import math
from dataclasses import replace

import pytest

from stagecut import backends
from stagecut.backends.null.device import NullBackend
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.device import Estimate
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Certificate
from stagecut.passes.assemble import Assemble
from stagecut.passes.gate.contenders import proposals
from stagecut.passes.gate.gate import predicted
from stagecut.passes.partition.partition import Partition
from stagecut.passes.stage.stage import stage
from tests.support.borders import Borders
from tests.support.onnx_models import MODELS
from tests.support.planned_tables import NOWHERE
from tests.support.scattered import costs_of, expand

DEVICES = ("cpu.serial", "null:memory=pim")
SCHEDULE = Schedule.parse(
    """
    run cpu.serial: MatMul, Relu
    transfer r: host > pim
    transfer x: host > pim
    run null: Add
    transfer s: pim > host
    run cpu.serial: MatMul_1, Add_1
    """
)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> PlannedVariant:
    """residual on two devices; loading a node's weights takes the null device a second."""
    program = load_program(MODELS["residual"].proto())
    program = replace(program, called={"x": "the input"})
    expanded = expand(program, DEVICES, "op")
    costs = costs_of(expanded, seed=0)
    engines = backends.create_all(DEVICES)
    monkeypatch.setattr(NullBackend, "estimate", lambda *_: Estimate(1e-6, load_s=1.0))
    found = account(costs, SCHEDULE)
    staged = stage(expanded.graph, SCHEDULE, found, Borders())
    contenders = predicted(proposals(costs, Partition()(costs), LATENCY))
    observed = tuple(
        replace(each, stage_s=(1.0, 2.0, 3.0)) if each.chosen else each for each in contenders
    )
    return Assemble(
        expanded,
        costs,
        Certificate.of("optimal", 0.0, 0.0),
        (),
        program,
        NOWHERE,
        LATENCY,
        {"Add": {"cpu.serial": 2.0, "null": math.inf}},
        engines,
        {"x": ("batch", 4), "y": ("batch", 4)},
        "variant-1/",
    )((staged, found), observed, (), ("it failed once",), None)


def test_the_ports(planned: PlannedVariant) -> None:
    [x], [y] = planned.inputs, planned.outputs
    assert (x.name, x.value, x.inside, x.shape, x.dims) == (
        "the input",
        "x",
        "x",
        (2, 4),
        ("batch", 4),
    )
    assert x.low < x.high
    assert (y.name, y.shape, y.dims) == ("y", (2, 4), ("batch", 4))


def test_the_stages_with_what_was_observed(planned: PlannedVariant) -> None:
    assert planned.schedule == SCHEDULE
    assert [stage.file for stage in planned.stages] == [
        f"variant-1/stage-{at:03}.onnx" for at in range(3)
    ]
    assert [stage.observed_s for stage in planned.stages] == [1.0, 2.0, 3.0]
    assert [[port.name for port in stage.inputs] for stage in planned.stages] == [
        ["x"],
        ["r", "x"],
        ["s"],
    ]
    assert [stage.load_s for stage in planned.stages] == [0.0, 1.0, 0.0]


def test_the_nodes_with_why_they_run_there(planned: PlannedVariant) -> None:
    add = planned.nodes[2]
    assert (add.name, add.op, add.operators) == ("Add", "Add", ("Add Add",))
    assert set(add.run_s) == {"cpu.serial", "null"}
    assert add.totals == {"cpu.serial": 2.0}  # no plan has it on the other
    assert planned.nodes[0].totals == {}
    assert planned.nodes[0].weight_bytes == 64


def test_the_rest_is_handed_on(planned: PlannedVariant) -> None:
    assert planned.workarounds == ("it failed once",)
    assert (planned.name, planned.objective, planned.fallback) == ("residual", "latency", None)
    assert planned.shipped.chosen
    assert planned.machine.memory_named.keys() == {"host", "pim"}

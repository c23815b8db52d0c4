"""A variant of the plan of the residual model, put together from what passes found out."""

import math
from dataclasses import replace

from stagecut import backends
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.candidates import ExpandedGraph
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


def residual() -> ExpandedGraph:
    """What is planned, on the two devices."""
    return expand(load_program(MODELS["residual"].proto()), DEVICES, "op")


def assembled() -> PlannedVariant:
    """residual on the two devices by SCHEDULE, of whose stages 1, 2 and 3 s were observed."""
    program = load_program(MODELS["residual"].proto())
    program = replace(program, called={"x": "the input"})
    expanded = residual()
    costs = costs_of(expanded, seed=0)
    engines = backends.create_all(DEVICES)
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

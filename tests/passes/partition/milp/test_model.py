"""The integer program at a given assignment costs what the evaluator says."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import Budget
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError
from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.ir.objective import ENERGY, LATENCY, Objective
from stagecut.passes.partition.milp.model import limits, partition_program, uses
from tests.support.tables import (
    cost_table,
    every_assignment,
    in_one_order,
    scheduled_by,
    seeded_table,
)


@pytest.mark.parametrize("objective", [LATENCY, ENERGY, Objective(1.0, 0.5)], ids=str)
def test_every_assignment_costs_what_the_evaluator_says(objective: Objective) -> None:
    """In tables that have one order only, starts included; relays, too."""
    for seed in range(40):
        table = in_one_order(seeded_table(seed, max_nodes=3, max_devices=3, starts=0.5))
        for assignment in every_assignment(table):
            nodes = tuple(
                replace(node, run_s={assignment[node.name]: node.run_s[assignment[node.name]]})
                for node in table.nodes
            )
            built = partition_program(replace(table, nodes=nodes), objective)
            outcome = built.program.solve(10.0)
            try:
                found = account(table, scheduled_by(table, assignment, objective))
            except (AssignmentError, ScheduleError):
                assert outcome.point is None
                continue
            assert outcome.point is not None
            assert outcome.bound == pytest.approx(found.total(objective), abs=1e-9)
            assert built.assignment(outcome.point) == assignment


def test_limits_and_what_counts_towards_them() -> None:
    drawn = cost_table("a: cpu 1, pim 1")
    table = replace(
        drawn,
        machine=replace(drawn.machine, memories=(Memory("host"), Memory("pim", 100))),
        nodes=(replace(drawn.nodes[0], weight_bytes=7, uses={"error": {"pim": 0.5}}),),
        budgets=(Budget("error", 1.0),),
    )
    assert limits(table) == {"bytes in pim": 100.0, "error": 1.0}
    built = partition_program(table, LATENCY)
    [on] = built.on
    assert uses(built, "bytes in pim", 2.0) == {on["cpu"]: 0.0, on["pim"]: 14.0}
    assert uses(built, "error", 1.0) == {on["cpu"]: 0.0, on["pim"]: 0.5}

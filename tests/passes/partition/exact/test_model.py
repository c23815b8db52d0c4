"""The factor graph says of every assignment what the evaluator says, in the graph's order."""

import math
from dataclasses import replace

import numpy as np
import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import ScheduleError
from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.ir.objective import ENERGY, LATENCY, Objective
from stagecut.passes.partition.exact.arrays import table_arrays
from stagecut.passes.partition.exact.elimination import minimise
from stagecut.passes.partition.exact.model import Starts, factor_model
from stagecut.passes.partition.exact.ordering import elimination_order
from tests.support.tables import cost_table, every_assignment, scheduled_by, seeded_table


def _least(table: CostTable, objective: Objective) -> float:
    """The least of the graph, over whatever transfers may be decided otherwise."""
    model = factor_model(table_arrays(table, objective), Starts.in_order(len(table.nodes)))
    order = elimination_order(model.graph)
    assert order is not None
    minimum = minimise(model.graph, order)
    assert minimum.value == pytest.approx(model.graph.total(minimum.states))
    return minimum.value


@pytest.mark.parametrize("objective", [LATENCY, ENERGY, Objective(1.0, 0.5)], ids=str)
def test_every_assignment_costs_what_the_evaluator_says(objective: Objective) -> None:
    for seed in range(60):
        table = _roomy(seeded_table(seed, max_nodes=3, max_devices=3, starts=0.5))
        for assignment in every_assignment(table):
            nodes = tuple(
                replace(node, run_s={assignment[node.name]: node.run_s[assignment[node.name]]})
                for node in table.nodes
            )
            pinned = _least(replace(table, nodes=nodes), objective)
            try:
                found = account(table, scheduled_by(table, assignment, objective))
            except ScheduleError:
                assert math.isinf(pinned)
                continue
            assert pinned == pytest.approx(found.total(objective), abs=1e-12)


def _roomy(table: CostTable) -> CostTable:
    """Without the budgets, which the graph knows only as prices."""
    memories = tuple(Memory(memory.name) for memory in table.machine.memories)
    return replace(table, machine=replace(table.machine, memories=memories))


def test_starts_in_the_graphs_order_and_none() -> None:
    starts = Starts.in_order(3)
    assert starts.pairs.T.tolist() == [[0, 1], [1, 2]]
    assert (starts.pair_weight.tolist(), starts.first.tolist()) == ([1, 1], [0])
    assert Starts.in_order(0).first.tolist() == []
    assert Starts.none().pairs.shape == (2, 0)


def test_a_node_has_a_state_for_each_of_its_places_only() -> None:
    table = cost_table("a: cpu 1, pim 1\n b(a): cpu 1\n c(a): pim 1")
    arrays = table_arrays(table, LATENCY)
    model = factor_model(arrays, Starts.none())
    assert model.graph.domains[:3].tolist() == [2, 1, 1]
    states = np.zeros(len(model.graph.domains), dtype=np.int64)
    assert model.places(states).tolist() == [0, 0, 1]

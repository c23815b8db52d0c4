"""Assignment and order together: the same as brute force over everything."""

import math
from dataclasses import replace

import numpy as np
import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import Budget, CostTable
from stagecut.compiler.ir.objective import ENERGY, LATENCY, Objective
from stagecut.compiler.ir.transfers import scheduled, stages_in
from stagecut.passes.partition.exact.arrays import table_arrays
from stagecut.passes.partition.exact.factor_graph import Bools
from stagecut.passes.partition.orders import joint
from stagecut.passes.partition.orders.joint import Joint, cheapest_schedule
from stagecut.passes.partition.orders.precedence import Precedence
from tests.support.tables import US, cheapest_of_all, cost_table, seeded_table


def _search(
    table: CostTable,
    objective: Objective = LATENCY,
    *,
    ceiling: float = math.inf,
    ruled_out: Bools | None = None,
    most_states: int = 10**6,
) -> Joint:
    memories = [memory.name for memory in table.machine.memories]
    devices = table.machine.devices
    nothing = np.zeros((len(table.nodes), len(devices)), dtype=np.bool_)
    return cheapest_schedule(
        table_arrays(table, objective),
        [memories.index(device.memory) for device in devices],
        [objective.per_s * device.stage_s for device in devices],
        nothing if ruled_out is None else ruled_out,
        ceiling,
        Precedence.of(table),
        most_states,
    )


def _total(table: CostTable, found: Joint, objective: Objective = LATENCY) -> float:
    """What the steps cost, by the evaluator."""
    assert found.steps is not None
    names = [device.name for device in table.machine.devices]
    device_of = {table.nodes[node].name: names[device] for node, device in found.steps}
    schedule = scheduled(table, stages_in([*device_of], device_of), objective)
    return account(table, schedule).total(objective)


OBJECTIVES = (LATENCY, ENERGY, Objective(per_s=1.0, per_j=0.5))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_it_equals_brute_force(objective: Objective) -> None:
    """Three memories, missing links, bound ends, capacities, stages that cost something."""
    for seed in range(150):
        table = seeded_table(seed, max_nodes=5, min_memories=2, starts=0.8)
        least = cheapest_of_all(table, objective)
        found = _search(table, objective)
        assert found.complete
        if least is None:
            assert found.steps is None
        else:
            assert _total(table, found, objective) == pytest.approx(least, abs=1e-9)


def test_nothing_is_found_below_the_least() -> None:
    for seed in range(100):
        table = seeded_table(seed, max_nodes=5, min_memories=2, starts=0.8)
        least = cheapest_of_all(table)
        if least:
            assert _search(table, ceiling=least) == Joint(None, complete=True)
            above = _search(table, ceiling=least * 1.001)
            assert _total(table, above) == pytest.approx(least)


def test_a_budget_of_its_own_is_kept() -> None:
    table = cost_table("a: cpu 3, gang 1\n b: cpu 3, gang 1\n c(a): cpu 3, gang 1")
    nodes = tuple(replace(node, uses={"error": {"gang": 1.0}}) for node in table.nodes)
    limited = replace(table, nodes=nodes, budgets=(Budget("error", 2.0),))
    assert _total(limited, _search(limited)) == pytest.approx(5 * US)


def test_energies_of_transfers_are_not_followed() -> None:
    """A budget of joules is used by transfers, too: then nothing is claimed."""
    table = seeded_table(0, max_nodes=5)
    limited = replace(table, budgets=(Budget("energy", 1e9),))
    assert _search(limited) == Joint(None, complete=False)


def test_devices_that_are_ruled_out_are_not_used() -> None:
    table = cost_table("a: cpu 3, pim 1\n b(a): cpu 3", transfer_us=1)
    without_pim = np.array([[False, False, True], [False, False, False]])
    assert _total(table, _search(table)) == pytest.approx(5 * US)
    assert _total(table, _search(table, ruled_out=without_pim)) == pytest.approx(6 * US)


def test_a_search_with_too_many_states_claims_nothing() -> None:
    table = cost_table("a: cpu 1, gang 1\n b: cpu 1, gang 1\n c: cpu 1, gang 1")
    assert _search(table, most_states=2) == Joint(None, complete=False)


def test_no_nodes_take_no_steps() -> None:
    assert _search(cost_table("")) == Joint((), complete=True)


def test_what_can_only_go_on_goes_on_at_once() -> None:
    """b and d can run nowhere else than a and c before them: one order of stages is looked at."""
    table = cost_table(
        "a: cpu 1\n c: gang 1\n b(a): cpu 1\n d(c): gang 1", stage_us={"cpu": 1, "gang": 1}
    )
    found = _search(table)
    assert found.steps == ((0, 0), (2, 0), (1, 1), (3, 1))
    assert _total(table, found) == pytest.approx(6 * US)


def test_a_graph_whose_ideals_do_not_fit_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    table = cost_table("a: cpu 1\n b(a): cpu 1\n c(b): cpu 1")
    monkeypatch.setattr(joint, "_MOST_BITS", 60)
    assert _search(table).complete
    monkeypatch.setattr(joint, "_MOST_BITS", 8)
    assert _search(table) == Joint(None, complete=False)

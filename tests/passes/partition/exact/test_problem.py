"""A table prepared once and solved at changing prices; and the least total of every candidate."""

import math
from dataclasses import replace

import numpy as np
import pytest

from stagecut.compiler.ir.costs import Budget, CostTable
from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.exact import problem as module
from stagecut.passes.partition.exact.arrays import table_arrays
from stagecut.passes.partition.exact.model import Starts
from stagecut.passes.partition.exact.problem import Problem, used
from tests.support.synthetic_tables import tangle
from tests.support.tables import US, cheapest_in_order, cost_table, seeded_table


def _prepared(table: CostTable) -> Problem | None:
    return Problem.prepare(table_arrays(table, LATENCY), Starts.in_order(len(table.nodes)))


def _problem(table: CostTable) -> Problem:
    problem = _prepared(table)
    assert problem is not None
    return problem


def _roomy(table: CostTable) -> CostTable:
    memories = tuple(Memory(memory.name) for memory in table.machine.memories)
    return replace(table, machine=replace(table.machine, memories=memories))


def test_the_least_in_the_graphs_order() -> None:
    for seed in range(200):
        table = _roomy(seeded_table(seed, max_nodes=5, starts=0.5))
        least = cheapest_in_order(table)
        found = _problem(table).cheapest()[1]
        assert found == pytest.approx(math.inf if least is None else least, abs=1e-12)


def test_the_least_with_each_node_on_each_device() -> None:
    for seed in range(60):
        table = _roomy(seeded_table(seed, max_nodes=4, max_devices=3, starts=0.5))
        if cheapest_in_order(table) is None:
            continue
        marginals = _problem(table).marginals()
        for at, node in enumerate(table.nodes):
            for place, device in enumerate(table.machine.devices):
                if device.name not in node.run_s:
                    assert math.isinf(marginals[at, place])
                    continue
                pinned = replace(node, run_s={device.name: node.run_s[device.name]})
                nodes = tuple(pinned if each is node else each for each in table.nodes)
                least = cheapest_in_order(replace(table, nodes=nodes))
                expected = math.inf if least is None else least
                assert marginals[at, place] == pytest.approx(expected, abs=1e-12)


PRICED = replace(
    cost_table("a: cpu 3, gang 1\n b: cpu 3, gang 1"),
    budgets=(Budget("error", 1.0),),
)
PRICED = replace(
    PRICED,
    nodes=tuple(replace(node, uses={"error": {"gang": 1.0}}) for node in PRICED.nodes),
)


@pytest.mark.parametrize(
    ("price_us", "devices"), [(0, "gang gang"), (1, "gang gang"), (3, "cpu cpu")]
)
def test_what_is_used_is_paid_for(price_us: float, devices: str) -> None:
    problem = _problem(PRICED)
    found, total = problem.cheapest(np.array([price_us * US]))
    names = [device.name for device in PRICED.machine.devices]
    assert [names[at] for at in found] == devices.split()
    amount = used(problem.arrays, found)
    assert amount.tolist() == [2.0 if devices == "gang gang" else 0.0]
    spent = 2 if devices == "gang gang" else 6
    assert total == pytest.approx((spent + price_us * amount[0]) * US)


def test_weights_of_starts_change_while_the_pairs_stay() -> None:
    table = cost_table("a: cpu 1\n b: gang 1", stage_us={"cpu": 1, "gang": 10})
    problem = _problem(table)
    assert problem.cheapest()[1] == pytest.approx(13 * US)
    half = Starts.in_order(2)
    half = replace(half, pair_weight=half.pair_weight / 2, first_weight=half.first_weight * 0)
    assert problem.with_starts(half).cheapest()[1] == pytest.approx(7 * US)


def test_a_graph_that_is_too_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _prepared(tangle(200)) is None
    table = cost_table("a: cpu 1, pim 1\n b(a): cpu 1, pim 1")
    assert _prepared(table) is not None
    monkeypatch.setattr(module, "_MAX_ENTRIES", 1)
    assert _prepared(table) is None


def test_relays_through_too_many_memories_are_left_to_others() -> None:
    """The sets of memories that may hold a value are tables of two to the power of them."""
    devices = {f"d{at}": f"m{at}" for at in range(9)}
    ways = {f"m{at}>m{at + 1}": 1.0 for at in range(8)}
    table = cost_table("a: d0 1\n b(a): d8 1", devices=devices, transfer_us=ways)
    assert _prepared(table) is None
    direct = cost_table("a: d0 1\n b(a): d8 1", devices=devices, transfer_us=1)
    assert table_arrays(direct, LATENCY).wanted.shape[1] == 9
    assert _prepared(direct) is not None

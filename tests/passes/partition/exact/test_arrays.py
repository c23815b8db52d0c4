"""A cost table as arrays: the same figures by index, and what is interchangeable."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given

from stagecut.compiler.ir.costs import Budget, CostTable
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Link, Memory, Route
from stagecut.compiler.ir.objective import ENERGY, LATENCY, Objective
from stagecut.compiler.ir.transfers import table_router
from stagecut.passes.partition.exact.arrays import table_arrays
from tests.support.tables import US, cost_table, cost_tables

TABLE = cost_table(
    "a: cpu 3, gang 2, pim 1\n b(a, a, x): cpu 4, gang 4", inputs="x@pim", outputs="b@host"
)


def test_costs_by_node_and_device() -> None:
    arrays = table_arrays(TABLE, LATENCY)
    assert (arrays.cost / US).tolist() == pytest.approx(np.array([[3, 2, 1], [4, 4, inf]]))
    assert arrays.nodes == 2


def test_devices_of_one_memory_are_one_place() -> None:
    """The cheapest of a place has the node, the earlier one in a tie; the input has its own."""
    arrays = table_arrays(TABLE, LATENCY)
    assert arrays.place.tolist() == [0, 0, 1]
    assert arrays.memory.tolist() == [0, 1, 0, 1]
    assert arrays.device.tolist() == [[1, 2], [0, 2]]
    assert (arrays.run / US)[:2, :2].tolist() == pytest.approx(np.array([[2, 1], [4, inf]]))
    assert arrays.run[2].tolist() == [inf, inf, inf, 0.0]


APART = {
    "one that costs something to start": (
        cost_table("a: cpu 1, gang 1, pim 1", stage_us={"gang": 1}),
        [0, 1, 2],
    ),
    "but not one whose starts are the same nothing": (
        cost_table("a: cpu 1, gang 1, pim 1", stage_us={"gang": 0}),
        [0, 0, 1],
    ),
}


@pytest.mark.parametrize(("table", "place"), APART.values(), ids=APART.keys())
def test_devices_that_are_places_of_their_own(table: CostTable, place: list[int]) -> None:
    assert table_arrays(table, LATENCY).place.tolist() == place


def test_devices_that_use_budgets_otherwise_are_apart() -> None:
    table = cost_table("a: cpu 1, gang 1, pim 1")
    uses = {"error": {"gang": 1.0}}
    nodes = tuple(replace(node, uses=uses) for node in table.nodes)
    limited = replace(table, nodes=nodes, budgets=(Budget("error", 0.5),))
    arrays = table_arrays(limited, LATENCY)
    assert arrays.place.tolist() == [0, 1, 2]
    assert arrays.limits.tolist() == [0.5]
    assert arrays.uses[0, 0, :3].tolist() == [0.0, 1.0, 0.0]


def test_bytes_of_a_memory_are_a_budget() -> None:
    table = cost_table("a: cpu 1, gang 1, pim 1")
    machine = replace(table.machine, memories=(Memory("host"), Memory("pim", 100)))
    nodes = tuple(replace(node, weight_bytes=7, resident_bytes={"pim": 9}) for node in table.nodes)
    arrays = table_arrays(replace(table, machine=machine, nodes=nodes), LATENCY)
    assert arrays.limits.tolist() == [100.0]
    assert arrays.uses[0, 0, arrays.place].tolist() == [0.0, 0.0, 9.0]


def test_who_writes_reads_and_must_end_where() -> None:
    """Values are x, a and b, in the order in which they are met."""
    arrays = table_arrays(TABLE, LATENCY)
    values = [value.name for value in TABLE.values]
    assert dict(zip(values, arrays.producer.tolist(), strict=True)) == {"a": 0, "x": 2, "b": 1}
    reads = sorted((values[value], node) for value, node in arrays.reads.T.tolist())
    assert reads == [("a", 1), ("x", 1)]
    assert arrays.wanted[values.index("b")].tolist() == [True, False]
    assert arrays.wanted.sum() == 1
    assert arrays.edges.T.tolist() == [[0, 1]]


def test_links_and_figures_of_values() -> None:
    table = cost_table("a: cpu 1", transfer_us={"host>pim": 5}, sizes={"a": 1000})
    links = (Link("host", "pim", 1e-6, 1e9), Link("pim", "host", 1e-6, 1e9))
    linked = replace(table, machine=replace(table.machine, links=links))
    arrays = table_arrays(linked, LATENCY)
    assert arrays.transfer[0].tolist() == pytest.approx(np.array([[0, 5e-6], [2e-6, 0]]))


@given(cost_tables(max_nodes=3))
def test_ways_are_those_of_the_evaluator(table: CostTable) -> None:
    """Two routers that share no code: the cost of every way, and its last stop."""
    for objective in (LATENCY, ENERGY, Objective(1.0, 0.5)):
        arrays, router = table_arrays(table, objective), table_router(table, objective)
        memories = [memory.name for memory in table.machine.memories]
        for at, value in enumerate(table.values):
            for i, source in enumerate(memories):
                before = router(value.name, source)
                for j, target in enumerate(memories):
                    cost = arrays.transfer[at, i, j]
                    if target not in before:
                        assert cost == (0.0 if i == j else inf)
                        continue
                    stop = before[target]
                    step = table.transfer(value.name, Route(stop, target))
                    assert step is not None
                    price = objective.price(step.time_s, step.energy_j)
                    assert memories[arrays.before[at, i, j]] == stop
                    before_that = arrays.transfer[at, i, memories.index(stop)]
                    assert cost == pytest.approx(before_that + price)


def test_energies_that_are_needed_must_be_known() -> None:
    for table, objective in (
        (TABLE, ENERGY),
        (replace(TABLE, budgets=(Budget("energy", 1.0),)), LATENCY),
    ):
        with pytest.raises(CostTableError) as error:
            table_arrays(table, objective)
        assert error.value.where == "nodes[0].run_j.cpu"

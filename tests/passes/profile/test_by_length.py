"""Tables at several lengths: what does not depend on the length has one cost at all of them."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.graph import Graph, Node, Operator, Value
from stagecut.passes.profile.by_length import by_length
from tests.support.tables import US, cost_table


def _graph(length: int) -> Graph:
    x, up = Value("x", "float32", (1, 8)), Value("up", "float32", (1, 8))
    past, mix = Value("past", "float32", (length, 8)), Value("mix", "float32", (1, length))
    return Graph("step", (_node("up", (x,), up), _node("mix", (up, past), mix)), (x, past), (mix,))


def _node(name: str, inputs: tuple[Value, ...], output: Value) -> Node:
    operator = Operator(name, "Op", "", inputs, (output,))
    return Node(name, "Op", (operator,), inputs, (output,), (), 0)


def _table(up_us: float, mix_us: float, stage_us: float = 1) -> CostTable:
    """`pim` is left out of `mix` where that takes more than 50."""
    more = "" if mix_us > 50 else ", pim 7"
    return cost_table(
        f"up(x): cpu {up_us}, pim 3\nmix(up, past): cpu {mix_us}{more}",
        stage_us={"cpu": stage_us},
    )


TABLES = {100: _table(4, 20, 3), 10: _table(9, 10, 1), 1000: _table(5, 60, 2)}
GRAPHS = {length: _graph(length) for length in TABLES}


def test_the_median_stands_for_what_does_not_depend_on_the_length() -> None:
    costs = by_length(TABLES, GRAPHS)
    assert costs.lengths == (10, 100, 1000)
    assert {table.node_named["up"].run_s["cpu"] for table in costs.tables} == {5 * US}
    measured = [table.node_named["mix"].run_s["cpu"] for table in costs.tables]
    assert measured == [10 * US, 20 * US, 60 * US]
    assert {table.machine.device("cpu").stage_s for table in costs.tables} == {2 * US}


def test_a_device_that_cannot_at_one_length_cannot_at_all() -> None:
    costs = by_length(TABLES, GRAPHS)
    assert [{*table.node_named["mix"].run_s} for table in costs.tables] == [{"cpu"}] * 3


def test_weights_take_what_they_take_at_the_longest() -> None:
    def held(node: NodeCosts, size: int) -> NodeCosts:
        return replace(node, weight_bytes=size, resident_bytes={"pim": 2 * size})

    tables = {
        length: replace(table, nodes=tuple(held(node, length) for node in table.nodes))
        for length, table in TABLES.items()
    }
    for table in by_length(tables, GRAPHS).tables:
        assert table.node_named["up"].weight_bytes == 1000
        assert table.node_named["up"].bytes_on("pim") == 2000


def test_other_nodes_are_told() -> None:
    other = cost_table("up(x): cpu 1\nother(up, past): cpu 2")
    with pytest.raises(CostTableError, match="other nodes behind 1000 tokens than behind 10"):
        by_length({**TABLES, 1000: other}, GRAPHS)

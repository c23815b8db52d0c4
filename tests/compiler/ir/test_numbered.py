"""Who reads and who writes what, by number, against the names."""

import pytest
from hypothesis import given

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.numbered import Numbered
from tests.support.tables import cost_table, cost_tables


def test_the_figure() -> None:
    table = cost_table("a: cpu 1\n b(a): cpu 1\n c(b, a, x): cpu 1", inputs="x@host")
    value = table.numbered.value
    assert value == {"a": 0, "b": 1, "x": 2, "c": 3}
    assert table.numbered.reads.T.tolist() == [[1, 0], [2, 1], [2, 0], [2, 2]]
    assert table.numbered.writes.T.tolist() == [[0, 0], [1, 1], [2, 3]]
    assert table.numbered.writer.tolist() == [0, 1, -1, 2]


@given(cost_tables())
def test_numbers_stand_for_names(table: CostTable) -> None:
    names = [value.name for value in table.values]
    for pairs, named in (
        (table.numbered.reads, [(n.name, v) for n in table.nodes for v in n.inputs]),
        (table.numbered.writes, [(n.name, v) for n in table.nodes for v in n.outputs]),
    ):
        told = [(table.nodes[node].name, names[value]) for node, value in pairs.T.tolist()]
        assert told == named


@given(cost_tables())
def test_nodes_in_another_order(table: CostTable) -> None:
    order = [*reversed(range(len(table.nodes)))]
    again = Numbered.of([table.nodes[at] for at in order], table.numbered.value)
    turned = table.numbered.in_order(order)
    assert turned.reads.tolist() == again.reads.tolist()
    assert turned.writes.tolist() == again.writes.tolist()


def test_a_name_that_is_no_value() -> None:
    with pytest.raises(KeyError):
        Numbered.of(cost_table("a(x): cpu 1").nodes, {"a": 0})

"""Groups grow by merging, stay apart from each other, and never form a cycle."""

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.graph import Graph
from stagecut.passes.cluster.groups import Groups
from tests.support.graphs import graph, graphs

#: a -> b -> c, and a -> c.
TRIANGLE = graph("x", "a = Relu(x)\nb = Relu(a)\nc = Add(a, b)", "c")


def _groups(found: Graph, able: str = "p") -> Groups:
    return Groups(found, [frozenset(able)] * len(found.nodes))


def test_neighbours_that_may_be_merged() -> None:
    """a may join b, its reader with the earliest place, but not c: b lies between them."""
    groups = _groups(TRIANGLE)
    assert [*groups.safe_neighbours(0)] == [1]
    assert [*groups.safe_neighbours(1)] == [2, 0]
    assert [*groups.safe_neighbours(2)] == [1]


def test_merging() -> None:
    groups = _groups(TRIANGLE)
    assert groups.merge(1, 0) == 0
    assert [groups.of(index) for index in range(3)] == [0, 0, 2]
    assert groups.members(0) == [0, 1]
    assert groups.only_reader(0) == 2
    assert groups.in_order() == [0, 2]


def test_a_group_runs_where_all_of_it_can() -> None:
    groups = Groups(TRIANGLE, [frozenset("pq"), frozenset("qr"), frozenset("q")])
    assert groups.able(groups.merge(0, 1)) == frozenset("q")


def test_only_one_reader_is_the_only_one() -> None:
    assert _groups(TRIANGLE).only_reader(0) is None
    assert _groups(TRIANGLE).only_reader(1) == 2
    assert _groups(TRIANGLE).only_reader(2) is None


def test_glueing_takes_along_what_lies_between() -> None:
    groups = _groups(TRIANGLE)
    groups.glue([(0, 2)])
    assert {groups.of(index) for index in range(3)} == {0}


@given(graphs(), st.data())
def test_safe_merges_never_form_a_cycle(found: Graph, data: st.DataObject) -> None:
    groups = _groups(found)
    for _ in range(data.draw(st.integers(0, len(found.nodes)))):
        group = data.draw(st.sampled_from(groups.in_order()))
        neighbours = [*groups.safe_neighbours(group)]
        if neighbours:
            groups.merge(group, data.draw(st.sampled_from(neighbours)))
        _check(found, groups)


@given(graphs(), st.data())
def test_neither_does_glueing(found: Graph, data: st.DataObject) -> None:
    nodes = st.integers(0, len(found.nodes) - 1)
    groups = _groups(found)
    edges = data.draw(st.lists(st.tuples(nodes, nodes), max_size=4))
    groups.glue(edges)
    assert all(groups.of(one) == groups.of(other) for one, other in edges)
    _check(found, groups)


def _check(found: Graph, groups: Groups) -> None:
    """Every node is in one group, and the groups are in topological order."""
    order = groups.in_order()
    assert sorted(i for group in order for i in groups.members(group)) == [*range(len(found.nodes))]
    edges = [
        (groups.of(found.producer[name]), groups.of(reader))
        for name, readers in found.users.items()
        for reader in readers
        if name in found.producer
    ]
    outer = [(one, other) for one, other in edges if one != other]
    assert nx.is_directed_acyclic_graph(nx.DiGraph(outer))
    assert all(order.index(one) < order.index(other) for one, other in outer)


def test_a_merge_that_is_not_safe_would_form_one() -> None:
    """Why only neighbours may be merged: a and c around b."""
    groups = _groups(TRIANGLE)
    groups.merge(0, 2)
    with pytest.raises(ValueError, match="is not in list"):
        groups.in_order().index(1)

"""The elimination order: every variable once, small tables, and many at a time."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.passes.partition.exact.factor_graph import FactorGraph, Factors
from stagecut.passes.partition.exact.ordering import Order, elimination_order


def _order(graph: FactorGraph) -> Order:
    order = elimination_order(graph)
    assert order is not None
    return order


def _graph(shape: "nx.Graph[int]", domain: int = 2) -> FactorGraph:
    """A variable for each vertex and an empty table for each edge."""
    edges = np.array(sorted(shape.edges), dtype=np.int64).reshape(-1, 2).T
    tables = np.zeros((domain, domain, edges.shape[1]))
    return FactorGraph(np.full(len(shape), domain), (Factors(edges, tables),))


WIDTHS = {
    "nothing is joined": (nx.empty_graph(5), 0),
    "a chain": (nx.path_graph(500), 2),
    "a star": (nx.star_graph(500), 1),
    "a ring": (nx.cycle_graph(500), 2),
    "everything is joined": (nx.complete_graph(7), 6),
    "a grid": (nx.convert_node_labels_to_integers(nx.grid_2d_graph(5, 5)), 6),
}


@pytest.mark.parametrize(("shape", "width"), WIDTHS.values(), ids=WIDTHS.keys())
def test_width(shape: "nx.Graph[int]", width: int) -> None:
    assert _order(_graph(shape)).width <= width


def test_a_long_chain_takes_few_operations() -> None:
    assert len(_order(_graph(nx.path_graph(20_000))).groups) < 60


def test_a_graph_that_is_too_wide() -> None:
    graph = _graph(nx.path_graph(2), domain=3)
    assert elimination_order(graph, max_entries=9 + 3) is not None
    assert elimination_order(graph, max_entries=9 + 3 - 1) is None
    assert elimination_order(_graph(nx.complete_graph(500)), max_entries=1e9) is None


@given(st.integers(0, 12), st.integers(0, 30), st.integers(0, 99))
def test_every_variable_leaves_once_and_after_it_meet_only_later_ones(
    vertices: int, edges: int, seed: int
) -> None:
    shape = nx.gnm_random_graph(vertices, edges, seed=seed)
    order = _order(_graph(shape))
    assert sorted(order.rank.tolist()) == list(range(vertices))
    left = nx.relabel_nodes(shape, dict(enumerate(order.rank.tolist())))
    for group in order.groups:
        for row in range(group.rows):
            variable, neighbours = group.first + row, group.neighbours[:, row].tolist()
            assert sorted(left[variable]) == neighbours
            left.add_edges_from((a, b) for a in neighbours for b in neighbours if a < b)
            left.remove_node(variable)

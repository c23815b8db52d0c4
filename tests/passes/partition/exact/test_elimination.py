"""Elimination finds the least value of any factor graph, and a point that attains it."""

import numpy as np
import pytest
from hypothesis import given

from stagecut.passes.partition.exact.elimination import minimise
from stagecut.passes.partition.exact.factor_graph import FactorGraph, Factors
from tests.support.factor_graphs import every_point, factor_graphs, order_of


@given(factor_graphs())
def test_the_least_value(graph: FactorGraph) -> None:
    minimum = minimise(graph, order_of(graph))
    assert minimum.value == min(graph.total(point) for point in every_point(graph))
    assert graph.total(minimum.states) == minimum.value


def test_rows_are_eliminated_together() -> None:
    """A thousand independent pairs, each with its own table."""
    rng = np.random.default_rng(0)
    tables = rng.random((3, 2, 1000))
    scopes = np.arange(2000).reshape(2, 1000)
    graph = FactorGraph(np.repeat([3, 2], 1000), (Factors(scopes, tables),))
    order = order_of(graph)
    assert len(order.groups) <= 4
    least = tables.reshape(6, 1000).min(axis=0).sum()
    assert minimise(graph, order).value == pytest.approx(least)

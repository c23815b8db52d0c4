"""Elimination finds the least value of any factor graph, and a point that attains it."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.passes.partition.exact.elimination import minimise
from stagecut.passes.partition.exact.factor_graph import FactorGraph, Factors
from stagecut.passes.partition.exact.marginals import min_marginals
from stagecut.passes.partition.exact.ordering import Order, elimination_order


@st.composite
def factor_graphs(draw: st.DrawFn) -> FactorGraph:
    """Up to six variables of one to three states; several tables may share a scope."""
    domains = draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))
    variables = st.integers(0, len(domains) - 1)
    scopes = draw(st.lists(st.lists(variables, min_size=1, max_size=2, unique=True), max_size=12))
    entry = st.sampled_from([0.0, 1.0, 2.0, 5.0, math.inf])
    factors = []
    for scope in scopes:
        shape = (*(domains[variable] for variable in scope), 1)
        size = math.prod(shape)
        table = np.array(draw(st.lists(entry, min_size=size, max_size=size))).reshape(shape)
        factors.append(Factors(np.array(scope)[:, None], table))
    return FactorGraph(np.array(domains), tuple(factors))


def _order(graph: FactorGraph) -> Order:
    order = elimination_order(graph)
    assert order is not None
    return order


@given(factor_graphs())
def test_the_least_value(graph: FactorGraph) -> None:
    points = map(np.array, product(*(range(size) for size in graph.domains)))
    minimum = minimise(graph, _order(graph))
    assert minimum.value == min(graph.total(point) for point in points)
    assert graph.total(minimum.states) == minimum.value


@given(factor_graphs())
def test_min_marginals(graph: FactorGraph) -> None:
    points = [np.array(point) for point in product(*(range(size) for size in graph.domains))]
    order = _order(graph)
    if math.isinf(minimise(graph, order).value):
        return
    marginals = min_marginals(graph, order)
    for variable, size in enumerate(graph.domains):
        for state in range(marginals.shape[1]):
            totals = [graph.total(point) for point in points if point[variable] == state]
            assert marginals[variable, state] == (min(totals) if state < size else math.inf)


def test_rows_are_eliminated_together() -> None:
    """A thousand independent pairs, each with its own table."""
    rng = np.random.default_rng(0)
    tables = rng.random((3, 2, 1000))
    scopes = np.arange(2000).reshape(2, 1000)
    graph = FactorGraph(np.repeat([3, 2], 1000), (Factors(scopes, tables),))
    order = _order(graph)
    assert len(order.groups) <= 4
    least = tables.reshape(6, 1000).min(axis=0).sum()
    assert minimise(graph, order).value == pytest.approx(least)

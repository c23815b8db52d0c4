"""Random factor graphs, and every point of one."""

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from hypothesis import strategies as st

from stagecut.passes.partition.exact.factor_graph import FactorGraph, Factors, Ints
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


def every_point(graph: FactorGraph) -> Iterator[Ints]:
    return (np.array(point) for point in product(*(range(size) for size in graph.domains)))


def order_of(graph: FactorGraph) -> Order:
    order = elimination_order(graph)
    assert order is not None
    return order

"""For every state of every variable the least value of the graph in that state."""

import math

from hypothesis import given

from stagecut.passes.partition.exact.elimination import minimise
from stagecut.passes.partition.exact.factor_graph import FactorGraph
from stagecut.passes.partition.exact.marginals import min_marginals
from tests.support.factor_graphs import every_point, factor_graphs, order_of


@given(factor_graphs())
def test_min_marginals(graph: FactorGraph) -> None:
    points = [*every_point(graph)]
    order = order_of(graph)
    if math.isinf(minimise(graph, order).value):
        return
    marginals = min_marginals(graph, order)
    for variable, size in enumerate(graph.domains):
        for state in range(marginals.shape[1]):
            totals = [graph.total(point) for point in points if point[variable] == state]
            assert marginals[variable, state] == (min(totals) if state < size else math.inf)

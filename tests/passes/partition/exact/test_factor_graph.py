"""A sum of small tables, term by term."""

import numpy as np

from stagecut.passes.partition.exact.factor_graph import FactorGraph, Factors

#: One table over variable 0, two over the pairs (0, 1) and (1, 2).
ALONE = Factors(np.array([[0]]), np.array([[1.0], [10.0]]))
PAIRS = Factors(np.array([[0, 1], [1, 2]]), np.arange(8.0).reshape(2, 2, 2))
GRAPH = FactorGraph(np.array([2, 2, 2]), (ALONE, PAIRS))


def test_the_total_at_a_point() -> None:
    """tables[x0, x1, 0] is 0, 2, 4, 6; tables[x1, x2, 1] is 1, 3, 5, 7."""
    assert GRAPH.total(np.array([0, 0, 0])) == 1 + 0 + 1
    assert GRAPH.total(np.array([1, 0, 1])) == 10 + 4 + 3
    assert GRAPH.total(np.array([1, 1, 1])) == 10 + 6 + 7


def test_some_of_the_rows() -> None:
    second = PAIRS.only(np.array([1]))
    assert second.rows == 1
    assert second.scopes.tolist() == [[1], [2]]
    assert second.tables[..., 0].tolist() == [[1.0, 3.0], [5.0, 7.0]]
    assert PAIRS.only(np.array([0, 1])) is PAIRS

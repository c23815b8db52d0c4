"""The ideals of a graph."""

import numpy as np

from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.lattice import Lattice, members
from tests.support.tables import cost_table

DIAMOND = Precedence.of(cost_table("a: cpu 1\n b(a): cpu 1\n c(a): cpu 1\n d(b, c): cpu 1"))


def test_a_diamond() -> None:
    lattice = Lattice.of(DIAMOND)
    assert ["".join("abcd"[node] for node in members(ideal)) for ideal in lattice.ideals] == [
        "",
        "a",
        "ab",
        "ac",
        "abc",
        "abcd",
    ]
    assert lattice.complete
    assert [row.tolist() for row in lattice.below] == [
        [],
        [0],
        [0, 1],
        [0, 1],
        [0, 1, 2, 3],
        [0, 1, 2, 3, 4],
    ]


def test_sums_over_ideals() -> None:
    sums = Lattice.of(DIAMOND).sums(np.array([[1], [10], [100], [1000]]))
    assert sums[:, 0].tolist() == [0, 1, 11, 101, 111, 1111]


def test_prefixes_where_there_are_too_many() -> None:
    for lattice in (Lattice.of(DIAMOND, most=5), Lattice.of(DIAMOND, most_pairs=3)):
        assert not lattice.complete
        assert lattice.ideals == (0, 1, 3, 7, 15)


def test_more_nodes_than_a_word_has_bits() -> None:
    lines = "\n".join(f"n{at}{f'(n{at - 1})' if at else ''}: cpu 1" for at in range(130))
    lattice = Lattice.of(Precedence.of(cost_table(lines)))
    assert len(lattice.ideals) == 131
    assert lattice.below[130].tolist() == list(range(130))

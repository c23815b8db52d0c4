"""What may have run when a stage begins: the ideals of a graph, ordered by inclusion.

    a -> b -> d        {}   {a}   {a b}   {a c}   {a b c}   {a b c d}
    a -> c -> d

An *ideal* holds with each node all that must run before it. Stages that nothing flows back and
forth between are the differences of a chain of ideals, {} < I1 < I2 < ... < everything, and every
such chain is a pipeline. Where there are too many ideals, the prefixes of the graph's own order
stand for them: pipelines of these are possible too, but not all that are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Ints
from stagecut.passes.partition.orders.precedence import Precedence

#: More ideals than these, or pairs of them, and prefixes are looked at instead.
MOST_IDEALS = 20_000
MOST_PAIRS = 8_000_000

_WORD = 62


@dataclass(frozen=True)
class Lattice:
    """`ideals` are bit masks of nodes, the smaller ones first, from the empty one to all nodes.

    `complete` says that they are all ideals that the graph has.
    """

    nodes: int
    ideals: tuple[int, ...]
    complete: bool

    @classmethod
    def of(
        cls, precedence: Precedence, most: int = MOST_IDEALS, most_pairs: int = MOST_PAIRS
    ) -> "Lattice":
        """All ideals, where they and their pairs are no more than that; else the prefixes."""
        nodes = len(precedence)
        ideals = _ideals(precedence, most)
        if ideals:
            lattice = cls(nodes, ideals, complete=True)
            if sum(map(len, lattice.below)) <= most_pairs:
                return lattice
        return cls._of_prefixes(nodes)

    @classmethod
    def _of_prefixes(cls, nodes: int) -> "Lattice":
        return cls(nodes, tuple((1 << size) - 1 for size in range(nodes + 1)), complete=False)

    @property
    def prefixes(self) -> "Lattice":
        """Those of them that are prefixes of the graph's own order, in which nodes stand behind
        what they read."""
        return self._of_prefixes(self.nodes)

    @cached_property
    def below(self) -> tuple[Ints, ...]:
        """For each ideal, the indices of those that it strictly contains, ascending."""
        words = self._words
        found = []
        for index, row in enumerate(words):
            inside = ~(words[:index] & ~row).any(axis=1)
            found.append(np.flatnonzero(inside).astype(np.int64))
        return tuple(found)

    def sums(self, rows: Ints) -> Ints:
        """(I, ...): the sum of `rows` (N, ...) over the nodes of each ideal."""
        total = np.zeros((len(self.ideals), *rows.shape[1:]), dtype=np.int64)
        index = {ideal: at for at, ideal in enumerate(self.ideals)}
        for at, ideal in enumerate(self.ideals[1:], start=1):
            node = self._last(ideal, index)
            total[at] = total[index[ideal & ~(1 << node)]] + rows[node]
        return total

    @staticmethod
    def _last(ideal: int, index: dict[int, int]) -> int:
        """A node without which the ideal is one still: of those, the last in the graph."""
        left = ideal
        while True:
            node = left.bit_length() - 1
            if ideal & ~(1 << node) in index:
                return node
            left &= ~(1 << node)

    @cached_property
    def _words(self) -> Ints:
        """(I, W): the masks in words."""
        count = self.nodes // _WORD + 1
        ones = (1 << _WORD) - 1
        return np.array(
            [[ideal >> (_WORD * word) & ones for word in range(count)] for ideal in self.ideals],
            dtype=np.int64,
        )


def _ideals(precedence: Precedence, most: int) -> tuple[int, ...]:
    """All ideals by size, empty where there are more than `most`."""
    level = {0: tuple(precedence.ready(0, range(len(precedence))))}
    found: list[int] = []
    while level:
        found += sorted(level)
        if len(found) > most:
            return ()
        level = dict(_grown(level, precedence))
    return tuple(found)


def _grown(
    level: dict[int, tuple[int, ...]], precedence: Precedence
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The ideals with one node more, each with the nodes that may run next."""
    for ideal, ready in level.items():
        for node in ready:
            grown = ideal | 1 << node
            new = precedence.ready(grown, precedence.after[node])
            yield grown, (*(other for other in ready if other != node), *new)


def members(mask: int) -> Sequence[int]:
    """The nodes of a mask, ascending."""
    return [node for node in range(mask.bit_length()) if mask >> node & 1]

"""Who reads and who writes what, by the numbers of nodes and values in their table.

    a -> x -> b        values x 0, y 1        reads   b: x      (1, 0)
    a -> y             nodes  a 0, b 1        writes  a: x, y   (0, 0), (0, 1)

Names are looked up once, when a table is made; whoever works with arrays goes on with these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from stagecut.compiler.ir.costs import NodeCosts

Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Numbered:
    """`value` has the number of each value by its name. `reads` (2, R) and `writes` (2, W) are node
    and value of every input and output, node by node, in the order in which the node has them."""

    value: Mapping[str, int]
    reads: Ints
    writes: Ints

    @classmethod
    def of(cls, nodes: Sequence["NodeCosts"], value: Mapping[str, int]) -> "Numbered":
        """Raises KeyError for a name that is no value's."""
        return cls(
            value,
            _numbers(value, [node.inputs for node in nodes]),
            _numbers(value, [node.outputs for node in nodes]),
        )

    @property
    def writer(self) -> Ints:
        """(V,): the node that writes each value, -1 where none does."""
        writer = np.full(len(self.value), -1)
        node, value = self.writes
        writer[value] = node
        return writer

    def in_order(self, order: Sequence[int]) -> "Numbered":
        """The same for nodes that stand in another order."""
        number = np.empty(len(order), dtype=np.int64)
        number[np.array(order, dtype=np.int64)] = np.arange(len(order))
        reads, writes = (_renumbered(pairs, number) for pairs in (self.reads, self.writes))
        return Numbered(self.value, reads, writes)


def _numbers(value: Mapping[str, int], names: Sequence[Sequence[str]]) -> Ints:
    """(2, ...): node and value of every name; `names` has one sequence for each node."""
    counts = np.fromiter(map(len, names), np.int64, len(names))
    every = map(value.__getitem__, chain.from_iterable(names))
    values = np.fromiter(every, np.int64, int(counts.sum()))
    return np.stack((np.repeat(np.arange(len(names)), counts), values))


def _renumbered(pairs: Ints, number: Ints) -> Ints:
    nodes = number[pairs[0]]
    order = np.argsort(nodes, kind="stable")
    return np.stack((nodes, pairs[1]))[:, order]

"""Which node has to run before which, by index; sets of nodes are bit masks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stagecut.compiler.ir.costs import CostTable
from stagecut.passes.partition.exact.factor_graph import Ints


@dataclass(frozen=True)
class Precedence:
    """`before[n]` and `after[n]` are the nodes that write what node `n` reads, and that read what
    it writes, each once, ascending. Nodes stand in topological order."""

    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, table: CostTable) -> "Precedence":
        index = {node.name: at for at, node in enumerate(table.nodes)}
        before = [
            sorted({index[table.producer[v]] for v in node.inputs if v in table.producer})
            for node in table.nodes
        ]
        after: list[list[int]] = [[] for _ in before]
        for node, earlier in enumerate(before):
            for producer in earlier:
                after[producer].append(node)
        return cls(tuple(map(tuple, before)), tuple(map(tuple, after)))

    def __len__(self) -> int:
        return len(self.before)

    @cached_property
    def needs(self) -> tuple[int, ...]:
        """The mask of the nodes that must have run right before each node."""
        return tuple(mask(earlier) for earlier in self.before)

    @cached_property
    def edges(self) -> Ints:
        """(2, E): every pair of a node and one that reads from it."""
        pairs = [(producer, node) for node, some in enumerate(self.before) for producer in some]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2).T

    def ready(self, done: int, candidates: Iterable[int]) -> list[int]:
        """Those of `candidates` that may run when the nodes in the mask `done` have."""
        return [node for node in candidates if not self.needs[node] & ~done]


def mask(nodes: Iterable[int]) -> int:
    """The set as bits: bit n for node n."""
    bits = 0
    for node in nodes:
        bits |= 1 << node
    return bits


def chain_costs(
    precedence: Precedence, devices: Sequence[int], start: Sequence[float]
) -> list[float]:
    """For each node, the stage starts of the most expensive path that begins behind it.

    Along a path each change of device starts a stage, in whatever order the graph runs; `start` is
    what starting a stage on each device costs.
    """
    costs = [0.0] * len(precedence)
    for node in reversed(range(len(precedence))):
        device = devices[node]
        costs[node] = max(
            (
                costs[reader] + (start[devices[reader]] if devices[reader] != device else 0.0)
                for reader in precedence.after[node]
            ),
            default=0.0,
        )
    return costs

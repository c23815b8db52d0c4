"""The best way from no node to all of them, a stage at a time, each with hosts of its own.

    W({}, any hosts) = 0
    W(J, H) = min over ideals I < J and hosts S of H of  W(I, H - S) joined with cost(I, J, S)

Costs of stages are joined by the largest of them, as periods are, or by their sum, as latencies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Floats
from stagecut.passes.partition.throughput.lattice import Lattice

#: (from ideal, to ideal, hosts as a bit mask) of each stage.
Parts: TypeAlias = list[tuple[int, int, int]]

#: Of an ideal, for each below it and for each set of hosts, what a stage between them costs.
Costs: TypeAlias = Callable[[int], Floats]

#: The same of several kinds, whose first is that of the stages that are wanted.
SeveralCosts: TypeAlias = Callable[[int], Sequence[Floats]]


@dataclass(frozen=True, slots=True)
class Join:
    """`both` is what two costs come to; `left` what remains of a limit behind a stage of a cost."""

    both: np.ufunc
    left: Callable[[float, float], float]


LARGEST = Join(np.maximum, lambda limit, _: limit)
SUM = Join(np.add, lambda limit, cost: limit - cost)


@dataclass(frozen=True)
class BestWays:
    """Of so many hosts. Each of the `kinds` of costs has best ways of its own, found in one pass
    over them."""

    lattice: Lattice
    hosts: int
    join: Join
    costs: SeveralCosts
    kinds: int = 1

    @property
    def totals(self) -> Sequence[float]:
        """By kind, of all nodes on all hosts; infinite where there is no way."""
        return [float(total) for total in self._best[:, -1, -1]]

    def parts(self) -> Parts:
        """The stages of one of the first kind: from the last one on, the longest with which it
        costs no more than its total, then the earliest hosts. Nothing where there is no way."""
        best, limit = self._best[0], self.totals[0]
        ideal, mask = len(self.lattice.ideals) - 1, (1 << self.hosts) - 1
        found: Parts = []
        if np.isinf(limit):
            return found
        while ideal:
            below, costs = self.lattice.below[ideal], self.costs(ideal)[0]
            reached = {
                some: self.join.both(best[below, mask ^ some], costs[:, some])
                for some in subsets(mask)
            }
            row, some = min(
                (int(np.argmax(within)), some)
                for some, each in reached.items()
                if (within := each <= limit).any()
            )
            before, mask = int(below[row]), mask ^ some
            found.append((before, ideal, some))
            left = self.join.left(limit, float(costs[row, some]))
            limit = max(left, float(best[before, mask]))  # which may differ by a rounding
            ideal = before
        return found[::-1]

    @cached_property
    def _best(self) -> Floats:
        """(K, I, 2^H): W, by the bit mask of the hosts."""
        masks = 1 << self.hosts
        best = np.full((self.kinds, len(self.lattice.ideals), masks), np.inf)
        best[:, 0] = 0.0
        for ideal in range(1, len(self.lattice.ideals)):
            below, costs = self.lattice.below[ideal], np.stack(self.costs(ideal))
            for mask in range(1, masks):
                for some in subsets(mask):
                    reached = self.join.both(best[:, below, mask ^ some], costs[:, :, some])
                    best[:, ideal, mask] = np.minimum(best[:, ideal, mask], reached.min(axis=1))
        return best


def subsets(mask: int) -> Sequence[int]:
    """All that are not empty, the smallest number first."""
    found, some = [], 0
    while some != mask:
        some = (some - mask) & mask
        found.append(some)
    return found

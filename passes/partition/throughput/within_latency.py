"""The fastest stream over hosts among those in which an input takes no longer than a limit.

    L(P, {}, any hosts) = 0
    L(P, J, H) = min over ideals I < J and hosts S of H, where stage(I, J, S) takes no more than P,
                 of  L(P, I, H - S) + latency(I, J, S)

The least P for which L(P, all nodes, all hosts) is within the limit is looked for among the
periods that stages have. Where latencies are the least that they can be, that is a lower bound;
where they are what they should be, it is where good streams are.
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

#: Of an ideal, for each below it and for each set of hosts, seconds.
Costs: TypeAlias = Callable[[int], Floats]


@dataclass(frozen=True)
class WithinLatency:
    """`stages_s` are the periods of stages, `latencies_s` what an input takes in them."""

    lattice: Lattice
    hosts: int
    stages_s: Costs
    latencies_s: Costs

    def least_s(self, most_s: float) -> float:
        """The least period, infinite where no stream is within the limit."""
        periods_s = self._periods_s
        low, high = 0, len(periods_s)
        while low < high:
            middle = (low + high) // 2
            if self._quickest(float(periods_s[middle]))[-1, -1] <= most_s:
                high = middle
            else:
                low = middle + 1
        return float(periods_s[low]) if low < len(periods_s) else np.inf

    def parts(self, period_s: float) -> Parts:
        """The stages of the quickest stream of this period, which there is."""
        quickest = self._quickest(period_s)
        ideal, mask = len(self.lattice.ideals) - 1, (1 << self.hosts) - 1
        found: Parts = []
        while ideal:
            below = self.lattice.below[ideal]
            options = []
            for some in subsets(mask):
                taken_s = quickest[below, mask ^ some] + self._allowed(ideal, period_s)[:, some]
                options.append((float(taken_s.min()), int(taken_s.argmin()), some))
            _, row, some = min(options)
            found.append((int(below[row]), ideal, some))
            ideal, mask = int(below[row]), mask ^ some
        return found[::-1]

    def _quickest(self, period_s: float) -> Floats:
        """(I, 2^H): L of this period."""
        masks = 1 << self.hosts
        quickest = np.full((len(self.lattice.ideals), masks), np.inf)
        quickest[0] = 0.0
        for ideal in range(1, len(self.lattice.ideals)):
            allowed, below = self._allowed(ideal, period_s), self.lattice.below[ideal]
            for mask in range(1, masks):
                for some in subsets(mask):
                    taken_s = quickest[below, mask ^ some] + allowed[:, some]
                    quickest[ideal, mask] = min(quickest[ideal, mask], taken_s.min())
        return quickest

    def _allowed(self, ideal: int, period_s: float) -> Floats:
        stage_s, latency_s = self._both[ideal]
        allowed: Floats = np.where(stage_s <= period_s, latency_s, np.inf)
        return allowed

    @cached_property
    def _both(self) -> Sequence[tuple[Floats, Floats]]:
        nothing = np.empty((0, 1 << self.hosts))
        ideals = range(1, len(self.lattice.ideals))
        return [
            (nothing, nothing),
            *((self.stages_s(ideal), self.latencies_s(ideal)) for ideal in ideals),
        ]

    @cached_property
    def _periods_s(self) -> Floats:
        """Of all stages, ascending."""
        every = np.unique(np.concatenate([stage_s.ravel() for stage_s, _ in self._both]))
        finite: Floats = every[np.isfinite(every)]
        return finite


def subsets(mask: int) -> Sequence[int]:
    """All that are not empty, the smallest number first."""
    found, some = [], 0
    while some != mask:
        some = (some - mask) & mask
        found.append(some)
    return found

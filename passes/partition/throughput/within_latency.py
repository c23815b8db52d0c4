"""The fastest stream over hosts among those in which an input takes no longer than a limit.

The least period P with which the quickest way of stages that take no more than P each is within the
limit is looked for among the periods that stages have. Where latencies are the least that they can
be, that is a lower bound; where they are what they should be, it is where good streams are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Floats
from stagecut.passes.partition.throughput.best_ways import SUM, BestWays, Costs, Parts
from stagecut.passes.partition.throughput.lattice import Lattice


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
            if self._quickest(float(periods_s[middle])).totals[0] <= most_s:
                high = middle
            else:
                low = middle + 1
        return float(periods_s[low]) if low < len(periods_s) else np.inf

    def parts(self, period_s: float) -> Parts:
        """The stages of the quickest stream of this period, which there is."""
        return self._quickest(period_s).parts()

    def _quickest(self, period_s: float) -> BestWays:
        def latencies_s(ideal: int) -> tuple[Floats]:
            stage_s, latency_s = self._both[ideal]
            return (np.where(stage_s <= period_s, latency_s, np.inf),)

        return BestWays(self.lattice, self.hosts, SUM, latencies_s)

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

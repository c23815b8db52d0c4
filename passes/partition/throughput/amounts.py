"""What stages take of what is limited, in whole numbers: ticks of latency, bytes of memory.

A stage takes of the latency its call and the wait until its batch is full, (batch - 1) * wait; of
the memory its weights, where its device lives in the host's, and for each replica a batch of what
it is given and gives. What all stages take adds up, and is held against the limit.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.stream_certificate import TOLERANCE, Limit
from stagecut.passes.partition.exact.factor_graph import Ints
from stagecut.passes.partition.throughput.model import MOST_BYTES, Calls
from stagecut.passes.partition.throughput.probe import Part

#: More than any limit; a few of them add up to a number of 64 bits.
BEYOND = 1 << 58


def limits_of(table: CostTable, asked: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Those asked for, and that of the host's memory on weights; without those that nothing could
    exceed."""
    host = table.machine.memory_named.get(HOST)
    capacity = None if host is None else host.capacity_bytes
    own = () if capacity is None else (Limit("weights", capacity),)
    return tuple(
        limit for limit in (*asked, *own) if limit.name == "latency" or limit.most < MOST_BYTES
    )


@dataclass(frozen=True)
class Amounts:
    """Of each of `limits`, when a stage waits `wait` ticks for each further input of its batch."""

    calls: Calls
    limits: tuple[Limit, ...]
    wait: int

    @cached_property
    def allowed(self) -> Ints:
        """(Q,): the most of each."""
        return np.array([self._allowed(limit) for limit in self.limits], dtype=np.int64)

    def _allowed(self, limit: Limit) -> int:
        if limit.name != "latency":
            return int(limit.most)
        return int(min(limit.most * (1 + TOLERANCE) / self.calls.costs.tick_s, BEYOND - 1))

    def of(self, ideal: int, replicas: Ints) -> Ints:
        """(B, D, Q) for so many replicas (B, D) of the stages from the ideals below to `ideal`."""
        columns = [self._amounts(limit, ideal, replicas) for limit in self.limits]
        return np.stack(columns, axis=2) if columns else np.empty((*replicas.shape, 0), np.int64)

    def _amounts(self, limit: Limit, ideal: int, replicas: Ints) -> Ints:
        if limit.name == "latency":
            waits = [min((b - 1) * self.wait, BEYOND) for b in self.calls.costs.batch.tolist()]
            return np.minimum(self.calls.to(ideal)[0] + np.array(waits, dtype=np.int64), BEYOND)
        weights = self.calls.weights(ideal)
        if limit.name == "weights":
            return np.minimum(weights, BEYOND)
        each = self.calls.passed(ideal)[:, None]
        inputs = replicas * self.calls.costs.batch
        large = inputs.astype(np.float64) * each > MOST_BYTES
        return np.where(large, BEYOND, np.minimum(weights + inputs * each, BEYOND))

    def exceeded(self, parts: tuple[Part, ...]) -> tuple[Limit, ...]:
        """The limits that a pipeline does not keep to."""
        totals = sum((self._taken(part) for part in parts), np.zeros_like(self.allowed))
        return tuple(
            limit
            for limit, total, most in zip(self.limits, totals, self.allowed, strict=True)
            if total > most
        )

    def _taken(self, part: Part) -> Ints:
        """(Q,): by a stage."""
        below = self.calls.lattice.below[part.end]
        row = int(np.flatnonzero(below == part.start)[0])
        replicas = np.full((len(below), len(self.calls.costs.batch)), part.replicas, np.int64)
        taken: Ints = self.of(part.end, replicas)[row, part.device]
        return taken

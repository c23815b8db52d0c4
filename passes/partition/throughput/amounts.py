"""What stages take of what is limited, in whole numbers: ticks, bytes, parts of budgets.

A stage takes of the latency its call and the wait until its batch is full, (batch - 1) * wait; of
the memory its weights, where its device lives in the host's, and for each replica a batch of what
it is given and gives; of a budget what its nodes use for an input, of energy also what it takes to
bring values into its memory, and back. What all stages take adds up, and is held against the limit.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stagecut.compiler.ir.costs import ENERGY, CostTable
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.stream_certificate import (
    LATENCY,
    NO_BUDGETS,
    TOLERANCE,
    WEIGHTS,
    Limit,
)
from stagecut.passes.partition.exact.factor_graph import Ints
from stagecut.passes.partition.throughput.model import MOST_BYTES, Calls
from stagecut.passes.partition.throughput.probe import Part

_OF_BYTES = tuple(name for name in NO_BUDGETS if name != LATENCY)

#: More than any limit; a few of them add up to a number of 64 bits.
BEYOND = 1 << 58


def limits_of(table: CostTable, asked: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Those asked for, that of the host's memory on weights, and the table's budgets; without those
    that nothing could exceed. Raises CostTableError where energies are limited and not known."""
    host = table.machine.memory_named.get(HOST)
    capacity = None if host is None else host.capacity_bytes
    weights = () if capacity is None else (Limit(WEIGHTS, capacity),)
    budgets = (Limit(budget.name, budget.limit) for budget in table.budgets)
    limits = (*asked, *weights, *budgets)
    if any(limit.name == ENERGY for limit in limits):
        table.require_energy()
    return tuple(
        limit for limit in limits if limit.name not in _OF_BYTES or limit.most < MOST_BYTES
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
        if limit.name in _OF_BYTES:
            return int(limit.most)
        return int(min(limit.most * (1 + TOLERANCE) / self.unit(limit), BEYOND - 1))

    def unit(self, limit: Limit) -> float:
        """Of its whole numbers, in seconds, bytes or the budget's own."""
        return limit.unit(self.calls.costs.tick_s)

    def of(self, ideal: int, replicas: Ints) -> Ints:
        """(B, D, Q) for so many replicas (B, D) of the stages from the ideals below to `ideal`."""
        columns = [self._amounts(limit, ideal, replicas) for limit in self.limits]
        return np.stack(columns, axis=2) if columns else np.empty((*replicas.shape, 0), np.int64)

    def _amounts(self, limit: Limit, ideal: int, replicas: Ints) -> Ints:
        if limit.name == LATENCY:
            waits = [min((b - 1) * self.wait, BEYOND) for b in self.calls.costs.batch.tolist()]
            return np.minimum(self.calls.to(ideal)[0] + np.array(waits, dtype=np.int64), BEYOND)
        if limit.is_budget:
            return self.calls.used(ideal, limit.name, self.unit(limit))
        weights = self.calls.weights(ideal)
        if limit.name == WEIGHTS:
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

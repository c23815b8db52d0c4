"""Can a period be kept within limits? The least that it takes, in every respect, set by set.

    {}      0 cores, 0 µs
    {a}     1 core, 30 µs     2 cores, 22 µs       labels: each pipeline takes at least one of them
    {a b}   3 cores, 41 µs    ...

A label counts the units of each kind of devices, and what is taken of each limit (amounts.py). Of
the labels of a set those are kept that no other is below in every respect (a Pareto front); what
leaves too little for the rest of the nodes goes at once. With a single limit there are at most as
many as there are units. With several there may be many: beyond MOST_LABELS some are let go, so that
a pipeline that is found is one, and that none is found proves nothing (`Labels.complete`).
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from stagecut.compiler.ir.stream_certificate import Stretch
from stagecut.passes.partition.exact.factor_graph import Bools, Ints
from stagecut.passes.partition.throughput.amounts import BEYOND, Amounts
from stagecut.passes.partition.throughput.model import NEVER
from stagecut.passes.partition.throughput.probe import Part, Probe

MOST_LABELS = 1000


@dataclass(frozen=True)
class Labels:
    """`rows` (L, K) are the labels of ideal i from `starts[i]` to `starts[i + 1]`; `rest` (I, K) is
    what the nodes that are left take at the least, each respect by itself."""

    starts: Ints
    rows: Ints
    rest: Ints
    complete: bool

    @property
    def last(self) -> Ints:
        """Those of all nodes."""
        return self.at(len(self.starts) - 2)

    def at(self, ideal: int) -> Ints:
        return self.rows[self.starts[ideal] : self.starts[ideal + 1]]

    def stretch(self, below: Fraction) -> Stretch:
        """What they prove, where all nodes have none."""
        labels = (map(tuple, self.at(ideal).tolist()) for ideal in range(len(self.rest)))
        return Stretch(below, tuple(map(tuple, labels)), tuple(map(tuple, self.rest.tolist())))


@dataclass(frozen=True)
class LabelProbe:
    """Looks for pipelines within limits; `first` is the respect in which the least is preferred
    of all pipelines that are found: a column of the labels."""

    probe: Probe
    amounts: Amounts
    first: int
    most_labels: int = MOST_LABELS

    @cached_property
    def _room(self) -> Ints:
        """(K,): the most in each respect."""
        return np.concatenate([self.probe.calls.costs.units, self.amounts.allowed])

    def potentials(self, period: Fraction, *, strict: bool) -> Labels:
        lattice = self.probe.calls.lattice
        rest = self._rest(period, strict=strict)
        rows = np.zeros((1024, len(self._room)), dtype=np.int64)
        starts = np.zeros(len(lattice.ideals) + 1, dtype=np.int64)
        starts[1] = (rest[0] <= self._room).all()
        complete = True
        for ideal in range(1, len(lattice.ideals)):
            below, _, taken = self._stages(ideal, rest, period, strict=strict)
            first, counts = starts[below], starts[below + 1] - starts[below]
            index = np.arange(counts.sum()) + np.repeat(first - counts.cumsum() + counts, counts)
            reached = rows[index] + np.repeat(taken, counts, axis=0)
            found = _minimal(reached[(reached <= self._room - rest[ideal]).all(axis=1)])
            if len(self.amounts.limits) > 1 and len(found) > self.most_labels:
                found = found[np.linspace(0, len(found) - 1, self.most_labels).astype(np.int64)]
                complete = False
            end = int(starts[ideal]) + len(found)
            while end > len(rows):
                rows = np.concatenate([rows, np.zeros_like(rows)])
            rows[starts[ideal] : end] = found
            starts[ideal + 1] = end
        return Labels(starts, rows[: starts[-1]], rest, complete)

    def _rest(self, period: Fraction, *, strict: bool) -> Ints:
        """(I, K), from all nodes backwards."""
        lattice = self.probe.calls.lattice
        rest = np.full((len(lattice.ideals), len(self._room)), BEYOND, dtype=np.int64)
        rest[-1] = 0
        for ideal in range(len(lattice.ideals) - 1, 0, -1):
            able, taken = self._taken(ideal, period, strict=strict)
            least = np.where(able[:, :, None], taken, BEYOND).min(axis=1)
            below = lattice.below[ideal]
            rest[below] = np.minimum(rest[below], np.minimum(least + rest[ideal], BEYOND))
        return rest

    def _stages(
        self, ideal: int, rest: Ints, period: Fraction, *, strict: bool
    ) -> tuple[Ints, Ints, Ints]:
        """Those to `ideal` that keep the period and leave enough for the rest: where they begin,
        their devices, and what they take (R, K); the longest first, then by device."""
        able, taken = self._taken(ideal, period, strict=strict)
        fits = able & (taken <= self._room - rest[ideal]).all(axis=2)
        rows, devices = np.nonzero(fits)
        return self.probe.calls.lattice.below[ideal][rows], devices, taken[rows, devices]

    def _taken(self, ideal: int, period: Fraction, *, strict: bool) -> tuple[Bools, Ints]:
        """(B, D): whether a device keeps the period from an ideal below to `ideal`; and (B, D, K):
        what that takes."""
        costs = self.probe.calls.costs
        units = self.probe.needed(ideal, period, strict=strict)
        taken = np.zeros((*units.shape, len(self._room)), dtype=np.int64)
        taken[:, np.arange(len(costs.group)), costs.group] = units
        taken[:, :, len(costs.units) :] = self.amounts.of(ideal, units // costs.cores)
        return units < NEVER, taken

    def can_keep(self, potentials: Labels) -> bool:
        return len(potentials.last) > 0

    def parts(self, potentials: Labels, period: Fraction, *, strict: bool) -> tuple[Part, ...]:
        """The stages of the pipeline that takes the least in the preferred respect, then in the
        others from first to last; of equals the longest, on the first device."""
        ideal = len(potentials.starts) - 2
        ends = potentials.last
        others = [column for column in range(ends.shape[1]) if column != self.first]
        order = np.lexsort([ends[:, column] for column in (*reversed(others), self.first)])
        label = ends[order[0]]
        found: list[Part] = []
        while ideal:
            start, device, taken = self._step(potentials, ideal, label, period, strict=strict)
            costs = self.probe.calls.costs
            replicas = int(taken[costs.group[device]] // costs.cores[device])
            found.append(Part(start, ideal, device, replicas))
            ideal, label = start, label - taken
        return tuple(reversed(found))

    def _step(
        self, potentials: Labels, ideal: int, label: Ints, period: Fraction, *, strict: bool
    ) -> tuple[int, int, Ints]:
        """Where the last stage begins, its device, and what it takes."""
        steps = self._stages(ideal, potentials.rest, period, strict=strict)
        for start, device, taken in zip(*steps, strict=True):
            if (potentials.at(start) == label - taken).all(axis=1).any():
                return int(start), int(device), taken
        raise AssertionError("every label but the first comes from another one")

    def period(self, parts: tuple[Part, ...]) -> Fraction:
        return self.probe.period(parts)


def _minimal(rows: Ints) -> Ints:
    """Those that no other row is below, or equal to, in every respect, in their order."""
    rows = rows[np.lexsort(rows.T[::-1])]
    rows = rows[_best_of_equals(rows)]
    if rows.shape[1] == 2:
        return rows
    kept = [rows[:0]]
    while len(rows):
        kept.append(rows[:1])
        rows = rows[(rows < rows[0]).any(axis=1)]
    return np.concatenate(kept)


def _best_of_equals(rows: Ints) -> Bools:
    """Of sorted rows that are equal but for the last two columns: those that no other is below, or
    equal to, in these. It takes no loop, and leaves few for the one that compares all columns."""
    group = np.zeros(len(rows), dtype=np.int64)
    group[1:] = (rows[1:, :-2] != rows[:-1, :-2]).any(axis=1).cumsum()
    last = np.unique(rows[:, -1], return_inverse=True)[1]
    falling = last - group * (len(rows) + 1)  # each group's are below all of those before it
    least = np.minimum.accumulate(falling)
    better = np.ones(len(rows), dtype=np.bool_)
    better[1:] = falling[1:] < least[:-1]
    return better

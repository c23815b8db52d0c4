"""Can a period be kept? The least units that it takes, by dynamic programming over the lattice.

A stage whose call takes T ticks for a batch of b keeps the period P with ceil(T / (b P)) replicas,
or floor(T / (b P)) + 1 where it has to be shorter than P (`strict`). With one resource:

    g({}) = 0     g(J) = min over ideals I < J and devices k of g(I) + cores_k * replicas_k(I, J)

and P can be kept if g(everything) is no more than there is. Of several resources all but the
largest are counted in the state: g(J, u) is the least of the largest one when at most u of the
others are used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Bools, Ints
from stagecut.passes.partition.throughput.model import NEVER, Calls

#: Of so many stages the units are computed at once, which a cache holds.
_ROWS = 1 << 11


@dataclass(frozen=True, slots=True)
class Part:
    """The stage between two ideals, by index."""

    start: int
    end: int
    device: int
    replicas: int


@dataclass(frozen=True)
class Probe:
    """Looks for pipelines with a period of at most, or `strict`ly below, that many ticks."""

    calls: Calls

    @cached_property
    def main(self) -> int:
        """The resource that is minimised: the one with the most units, of equals the first."""
        return int(np.argmax(self.calls.costs.units))

    @cached_property
    def _others(self) -> list[tuple[int, int, int]]:
        """(resource, its units, the stride of its digit in a state) of all others."""
        found, stride = [], 1
        for group, units in enumerate(self.calls.costs.units.tolist()):
            if group != self.main:
                found.append((group, units, stride))
                stride *= units + 1
        return found

    @cached_property
    def states(self) -> int:
        """How many combinations of units of the other resources there are."""
        states = 1
        for _, units, _ in self._others:
            states *= units + 1
        return states

    @cached_property
    def longest(self) -> Fraction:
        """A period that every pipeline keeps, with a single replica of each stage."""
        ends = range(1, len(self.calls.lattice.ideals))
        return Fraction(max((int(self.calls.to(end)[0].max()) for end in ends), default=0) or 1)

    def potentials(self, period: Fraction, *, strict: bool) -> Ints:
        """(I, S): the least units of the main resource with which the nodes of each ideal keep the
        period, when at most so many units of the others are used; NEVER where they cannot."""
        lattice = self.calls.lattice
        least = np.full((len(lattice.ideals), self.states), NEVER, dtype=np.int64)
        least[0] = 0
        states = np.arange(self.states)
        for ideal, units in self._units_of_all(period, strict=strict):
            below = lattice.below[ideal]
            able = np.flatnonzero(units[:, self.main] < NEVER)
            reached = least[below[able]] + units[able, self.main, None]
            best = reached.min(axis=0, initial=NEVER)
            for group, most, stride in self._others:
                for count in range(1, most + 1):
                    some = below[units[:, group] == count]
                    if len(some):
                        here = np.flatnonzero(states // stride % (most + 1) >= count)
                        shifted = least[some][:, here - count * stride].min(axis=0)
                        best[here] = np.minimum(best[here], shifted)
            least[ideal] = np.minimum(best, NEVER)
        return least

    def can_keep(self, potentials: Ints) -> bool:
        return bool(potentials[-1, -1] <= self.calls.costs.units[self.main])

    def units(self, ideal: int, period: Fraction, *, strict: bool) -> Ints:
        """(B, G): the least units of each resource with which one of its devices runs the stage to
        `ideal` from each one below it."""
        return self._by_group(self.needed(ideal, period, strict=strict))

    def needed(self, ideal: int, period: Fraction, *, strict: bool) -> Ints:
        """(B, D): units."""
        return self._needed(*self.calls.to(ideal), period, strict=strict)

    def _units_of_all(self, period: Fraction, *, strict: bool) -> Iterator[tuple[int, Ints]]:
        """Of every ideal but the empty one: those of a block at once."""
        for block in self._blocks:
            needed = self._needed(*self.calls.to_several(block), period, strict=strict)
            units, end = self._by_group(needed), 0
            for ideal in block:
                start, end = end, end + len(self.calls.lattice.below[ideal])
                yield ideal, units[start:end]

    @cached_property
    def _blocks(self) -> tuple[range, ...]:
        """Ideals that follow each other, so many that they have some thousand stages together."""
        found, start, rows = [], 1, 0
        below = self.calls.lattice.below
        for ideal in range(1, len(below)):
            rows += len(below[ideal])
            if rows >= _ROWS or ideal + 1 == len(below):
                found.append(range(start, ideal + 1))
                start, rows = ideal + 1, 0
        return tuple(found)

    def _needed(self, ticks: Ints, able: Bools, period: Fraction, *, strict: bool) -> Ints:
        """(B, D): units, of stages that take so long on devices that can run them."""
        costs, alone = self.calls.costs, self._alone
        load = ticks * period.denominator
        room = costs.batch * period.numerator
        fits = load < room if strict else load <= room
        found = np.where(able & fits, costs.cores, NEVER)
        for device in np.flatnonzero(~alone).tolist():  # dividing takes the longest of all
            mine, most = load[:, device], int(room[device])
            replicas = mine // most + 1 if strict else np.maximum(-(-mine // most), 1)
            units = np.minimum(costs.cores[device] * replicas, NEVER)
            found[:, device] = np.where(able[:, device], units, NEVER)
        return found

    @cached_property
    def _alone(self) -> Bools:
        """(D,): which devices have one replica of a stage at the most."""
        found: Bools = self.calls.costs.most == 1
        return found

    def _by_group(self, needed: Ints) -> Ints:
        """(B, G): the least of the devices that compete for each resource, which stand side by
        side."""
        return np.minimum.reduceat(needed, self._first_devices, axis=1)

    @cached_property
    def _first_devices(self) -> Ints:
        """(G,): of each resource, the first one that uses it."""
        return np.flatnonzero(np.diff(self.calls.costs.group, prepend=-1))

    def parts(self, potentials: Ints, period: Fraction, *, strict: bool) -> tuple[Part, ...]:
        """The stages that `potentials` tell of: of equals the longest, on the first device."""
        found: list[Part] = []
        ideal, state = len(potentials) - 1, self.states - 1
        while ideal:
            row, group, state = self._step(potentials, ideal, state, period, strict=strict)
            start = int(self.calls.lattice.below[ideal][row])
            needed = self.needed(ideal, period, strict=strict)[row]
            mine = np.where(self.calls.costs.group == group, needed, NEVER + 1)
            device = int(np.argmin(mine))
            replicas = int(needed[device] // self.calls.costs.cores[device])
            found.append(Part(start, ideal, device, replicas))
            ideal = start
        return tuple(reversed(found))

    def _step(
        self, potentials: Ints, ideal: int, state: int, period: Fraction, *, strict: bool
    ) -> tuple[int, int, int]:
        """Where the last stage begins, as a row of `Lattice.below`; the resource that it uses, and
        the state before it."""
        below = self.calls.lattice.below[ideal]
        units = self.units(ideal, period, strict=strict)
        least = potentials[ideal, state]
        options = [(self.main, potentials[below, state] + units[:, self.main], 0)]
        for group, most, stride in self._others:
            digit = state // stride % (most + 1)
            fits = units[:, group] <= digit
            before = state - np.where(fits, units[:, group], 0) * stride
            options.append((group, np.where(fits, potentials[below, before], NEVER), stride))
        found = [
            (int(np.argmax(reached == least)), group, stride)
            for group, reached, stride in options
            if (reached == least).any()
        ]
        row, group, stride = min(found)
        spent = int(units[row, group]) * stride
        return row, group, state - spent

    def period(self, parts: tuple[Part, ...]) -> Fraction:
        """The longest period of any stage, in ticks."""
        return max(self._period(part) for part in parts)

    def _period(self, part: Part) -> Fraction:
        row = int(np.flatnonzero(self.calls.lattice.below[part.end] == part.start)[0])
        ticks = int(self.calls.to(part.end)[0][row, part.device])
        return Fraction(ticks, int(self.calls.costs.batch[part.device]) * part.replicas)

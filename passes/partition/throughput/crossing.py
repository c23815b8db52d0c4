"""What crosses into stages and out of them: sums over values, of all stages to one ideal at once.

    a -> b -> d       open behind {a}:     a, which b and c are still to read
    a -> c -> d       open behind {a b}:   a, which c is to read, and b

A value is *open* behind an ideal that has written it, where somebody outside is to read it, or it
is an output. What a stage from I to J reads from outside is open behind I, and read in J by one who
is not in I; what it writes for outside is open behind J, and not written in I. Few values are open
at a time, of however many there are: sums go over these.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Bools, Ints
from stagecut.passes.partition.throughput.lattice import Lattice


@dataclass(frozen=True)
class Open:
    """By ideal I and value V: `readers` (I, V) is how many of its nodes read the value, `written`
    (I, V) whether it is there behind it; `wanted` (V,) says that it is an output."""

    lattice: Lattice
    readers: Ints
    written: Bools
    wanted: Bools

    @cached_property
    def behind(self) -> Bools:
        """(I, V): what is open behind each ideal."""
        found: Bools = self.written & (self.wanted | (self.readers[-1] > self.readers))
        return found

    @cached_property
    def _pairs(self) -> tuple[Ints, Ints, Ints]:
        """What is open, ideal by ideal: the first place of each, with the end of the last one; the
        values (E,), and how many have read them by then (E,)."""
        ideals, values = np.nonzero(self.behind)
        first = np.searchsorted(ideals, np.arange(len(self.behind) + 1)).astype(np.int64)
        return first, values.astype(np.int64), self.readers[ideals, values]

    def sums(self, bring: Ints, take: Ints) -> "Sums":
        """Of whole numbers (V, K): `bring` counts what a stage reads from outside, `take` what it
        writes for outside."""
        first, values, _ = self._pairs
        return Sums(self, bring[values], take[values], _between(first, take[values]))

    def reaching(self, ideal: int) -> tuple[Ints, Ints, Bools, Bools]:
        """Of what is open behind the ideals below `ideal`: where it stands among all that is open;
        the first place of each ideal in that, with the end; whether it is read on the way there,
        and whether it is still open behind it."""
        first, values, read = self._pairs
        below = self.lattice.below[ideal]
        counts = first[below + 1] - first[below]
        ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        places = np.arange(ends[-1]) + np.repeat(first[below] - ends[:-1], counts)
        values, read = values[places], read[places]
        return places, ends, self.readers[ideal, values] > read, self.behind[ideal, values]


@dataclass(frozen=True, slots=True)
class Sums:
    """`bring` and `take` (E, K) are of all that is open behind any ideal; `taken` (I, K) is the sum
    of what is open behind each."""

    open: Open
    bring: Ints
    take: Ints
    taken: Ints

    def to(self, ideal: int) -> Ints:
        """(B, K): of the stages to `ideal` from those below it."""
        places, ends, is_read, stays = self.open.reaching(ideal)
        brought = np.where(is_read[:, None], self.bring[places], 0)
        passed = np.where(stays[:, None], self.take[places], 0)
        found: Ints = self.taken[ideal] + _between(ends, brought - passed)
        return found


def _between(first: Ints, numbers: Ints) -> Ints:
    """(I, K): the sums of these numbers from each place to the next; exact where they fit, as what
    the total of all exceeds wraps in both ends of a difference."""
    total = np.zeros((len(numbers) + 1, numbers.shape[1]), dtype=np.int64)
    np.cumsum(numbers, axis=0, out=total[1:])
    found: Ints = total[first[1:]] - total[first[:-1]]
    return found

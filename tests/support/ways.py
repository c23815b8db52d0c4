"""Every way through the lattice of a small chain, a stage at a time, for two hosts."""

from collections.abc import Iterator, Sequence

from stagecut.passes.partition.exact.factor_graph import Floats
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.best_ways import Parts, subsets
from stagecut.passes.partition.throughput.lattice import Lattice
from tests.support.host_tables import chain, machine

HOSTS = 2


def lattice_of(count: int) -> Lattice:
    """Of a chain of so many nodes, whose ideals are its beginnings."""
    return Lattice.of(Precedence.of(chain(machine(1), *[1.0] * count)), 100, 1000)


def every_way(ideal: int, mask: int) -> Iterator[Parts]:
    """From the empty ideal to that one, with hosts of `mask`."""
    if not ideal:
        yield []
    for below in range(ideal):
        for some in subsets(mask):
            for rest in every_way(below, mask ^ some):
                yield [*rest, (below, ideal, some)]


def value_of(lattice: Lattice, of: Sequence[Floats], part: tuple[int, int, int]) -> float:
    """What a stage costs."""
    below, ideal, some = part
    return float(of[ideal][[*lattice.below[ideal]].index(below), some])

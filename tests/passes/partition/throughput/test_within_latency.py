"""The least period within a limit on latency, by looking at every way through a small lattice."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.passes.partition.exact.factor_graph import Floats
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.lattice import Lattice
from stagecut.passes.partition.throughput.within_latency import Parts, WithinLatency, subsets
from tests.support.host_tables import chain, machine

HOSTS = 2


def _lattice(count: int) -> Lattice:
    return Lattice.of(Precedence.of(chain(machine(1), *[1.0] * count)), 100, 1000)


def _every_way(ideal: int, mask: int) -> Iterator[Parts]:
    """Of a chain, whose ideals are its beginnings."""
    if not ideal:
        yield []
    for below in range(ideal):
        for some in subsets(mask):
            for rest in _every_way(below, mask ^ some):
                yield [*rest, (below, ideal, some)]


@given(st.integers(1, 3), st.integers(0, 2**31), st.floats(0.1, 3.0))
@settings(max_examples=40, deadline=None)
def test_no_way_within_the_limit_has_a_shorter_period(count: int, seed: int, most_s: float) -> None:
    lattice, random = _lattice(count), np.random.default_rng(seed)
    stages_s, latencies_s = (
        [random.random((len(below), 1 << HOSTS)) for below in lattice.below] for _ in range(2)
    )

    def value(of: list[Floats], part: tuple[int, int, int]) -> float:
        below, ideal, some = part
        return float(of[ideal][[*lattice.below[ideal]].index(below), some])

    ways = [
        way
        for way in _every_way(count, (1 << HOSTS) - 1)
        if sum(value(latencies_s, part) for part in way) <= most_s
    ]
    within = WithinLatency(lattice, HOSTS, stages_s.__getitem__, latencies_s.__getitem__)
    least_s = within.least_s(most_s)
    best_s = min((max(value(stages_s, part) for part in way) for way in ways), default=np.inf)
    assert least_s == pytest.approx(best_s)
    if ways:
        found = within.parts(least_s)
        assert found in ways
        assert max(value(stages_s, part) for part in found) == pytest.approx(best_s)


def test_subsets_are_all_that_are_not_empty() -> None:
    assert [*subsets(0b101)] == [0b001, 0b100, 0b101]

"""The least period within a limit on latency, by looking at every way through a small lattice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.passes.partition.throughput.within_latency import WithinLatency
from tests.support.ways import HOSTS, every_way, lattice_of, value_of


@given(st.integers(1, 3), st.integers(0, 2**31), st.floats(0.1, 3.0))
@settings(max_examples=40, deadline=None)
def test_no_way_within_the_limit_has_a_shorter_period(count: int, seed: int, most_s: float) -> None:
    lattice, random = lattice_of(count), np.random.default_rng(seed)
    stages_s, latencies_s = (
        [random.random((len(below), 1 << HOSTS)) for below in lattice.below] for _ in range(2)
    )

    ways = [
        way
        for way in every_way(count, (1 << HOSTS) - 1)
        if sum(value_of(lattice, latencies_s, part) for part in way) <= most_s
    ]
    within = WithinLatency(lattice, HOSTS, stages_s.__getitem__, latencies_s.__getitem__)
    least_s = within.least_s(most_s)
    best_s = min(
        (max(value_of(lattice, stages_s, part) for part in way) for way in ways), default=np.inf
    )
    assert least_s == pytest.approx(best_s)
    if ways:
        found = within.parts(least_s)
        assert found in ways
        assert max(value_of(lattice, stages_s, part) for part in found) == pytest.approx(best_s)

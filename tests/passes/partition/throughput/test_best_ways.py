"""The best way, by looking at every way through a small lattice."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.passes.partition.exact.factor_graph import Floats
from stagecut.passes.partition.throughput.best_ways import LARGEST, SUM, BestWays, Join, subsets
from tests.support.ways import HOSTS, every_way, lattice_of, value_of


@pytest.mark.parametrize(("join", "joined"), [(LARGEST, max), (SUM, sum)], ids=["largest", "sum"])
@given(st.integers(1, 3), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_no_way_is_better(
    join: Join, joined: Callable[[Iterable[float]], float], count: int, seed: int
) -> None:
    lattice, random = lattice_of(count), np.random.default_rng(seed)
    costs = [np.round(random.random((len(below), 1 << HOSTS)), 1) for below in lattice.below]
    costs = [np.where(each > 0.8, np.inf, each) for each in costs]
    ways = {
        tuple(way): joined(value_of(lattice, costs, part) for part in way)
        for way in every_way(count, (1 << HOSTS) - 1)
    }
    both = [(each, 0.5 * each) for each in costs]
    best = BestWays(lattice, HOSTS, join, both.__getitem__, kinds=2)
    total, half = best.totals
    assert total == pytest.approx(min(ways.values()))
    assert half == pytest.approx(0.5 * total)
    found = best.parts()
    if np.isinf(total):
        assert found == []
    else:
        assert ways[tuple(found)] == pytest.approx(total)


@pytest.mark.parametrize("join", [LARGEST, SUM], ids=["largest", "sum"])
def test_of_equal_ones_the_last_stage_is_the_longest(join: Join) -> None:
    lattice = lattice_of(2)
    costs: list[tuple[Floats]] = [(np.zeros((len(below), 1 << HOSTS)),) for below in lattice.below]
    assert BestWays(lattice, HOSTS, join, costs.__getitem__).parts() == [(0, 2, 0b01)]


def test_subsets_are_all_that_are_not_empty() -> None:
    assert [*subsets(0b101)] == [0b001, 0b100, 0b101]

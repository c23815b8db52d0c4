"""Servers and kernels: who is near whom, what is kept, barriers, rates."""

from dataclasses import replace

import pytest

from tests.support.servers import KERNELS, SERVER


def test_clusters_stand_node_by_node() -> None:
    assert SERVER.clusters == ((0, 1), (4, 5), (2, 3), (6, 7))
    assert SERVER.cores == tuple(range(8))
    assert [SERVER.node_of[core] for core in SERVER.cores] == [0, 0, 1, 1, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("residency", "used", "kept"), [(0, 1000, 1), (0, 1001, 0), (1, 4000, 0.25), (0.5, 4000, 0.125)]
)
def test_what_is_kept_of_a_working_set(residency: float, used: int, kept: float) -> None:
    assert replace(SERVER, residency=residency).kept(used, 1000) == pytest.approx(kept)


@pytest.mark.parametrize(
    ("team", "serialised", "barrier_s"),
    [
        ((0,), 0, 0),
        ((0, 1), 0, 1),  # one step, within the cluster
        ((0, 4), 0, 10),  # one step, by way of the last cache
        ((0, 1, 2, 3), 0, 20),  # a tree of two steps
        ((0, 1, 2, 3), 1, 40),  # each of the four in turn
    ],
)
def test_barriers_by_distance(team: tuple[int, ...], serialised: float, barrier_s: float) -> None:
    kernels = replace(KERNELS, serialised=serialised)
    assert kernels.barrier(SERVER, team) == pytest.approx(barrier_s)


def test_a_barrier_of_the_engine_comes_on_top() -> None:
    assert replace(KERNELS, barrier_s=0.25).barrier(SERVER, (0, 1)) == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("rows", "rate"), [(1, 50), (4, 75), (16, 100), (64, 100), (2, 62.5)], ids=str
)
def test_the_rate_of_products_by_their_rows(rows: int, rate: float) -> None:
    kernels = replace(KERNELS, rows=((1, 0.5), (16, 1.0)))
    assert kernels.rate(rows) == pytest.approx(rate)

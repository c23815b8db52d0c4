"""Who runs before whom, by index."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.passes.partition.orders.precedence import Precedence, chain_costs, mask
from tests.support.orders import every_path, precedence, precedences, starts_along

DIAMOND = precedence("a b(a) c(a) d(b,c)")


def test_before_and_after() -> None:
    assert DIAMOND.before == ((), (0,), (0,), (1, 2))
    assert DIAMOND.after == ((1, 2), (3,), (3,), ())
    assert DIAMOND.needs == (0, 0b1, 0b1, 0b110)
    assert [*zip(*DIAMOND.edges.tolist(), strict=True)] == [(0, 1), (0, 2), (1, 3), (2, 3)]
    assert len(DIAMOND) == 4


def test_a_producer_that_is_read_twice_counts_once() -> None:
    assert precedence("a b(a,a)").before == ((), (0,))


def test_nothing_waits_for_nothing() -> None:
    assert precedence("a b").edges.shape == (2, 0)
    assert len(precedence("")) == 0


#: What has run, and what may run next.
READY = {
    "at first what reads nothing": ((), [0]),
    "both branches": ((0,), [0, 1, 2]),
    "a join waits for both": ((0, 1), [0, 1, 2]),
    "and then runs": ((0, 1, 2), [0, 1, 2, 3]),
}


@pytest.mark.parametrize(("done", "ready"), READY.values(), ids=READY.keys())
def test_ready(done: tuple[int, ...], ready: list[int]) -> None:
    assert DIAMOND.ready(mask(done), range(4)) == ready


def test_chain_costs_by_eye() -> None:
    """Starting on 0 costs 1, on 1 costs 10; the last node starts nothing more."""
    assert chain_costs(DIAMOND, (0, 1, 0, 0), (1.0, 10.0)) == [11.0, 1.0, 0.0, 0.0]


@given(precedences(), st.data())
def test_chain_costs_are_those_of_the_most_expensive_path(
    found: Precedence, data: st.DataObject
) -> None:
    devices = data.draw(st.lists(st.integers(0, 2), min_size=len(found), max_size=len(found)))
    start = (1.0, 2.5, 0.0)
    costs = chain_costs(found, devices, start)
    for node in range(len(found)):
        ways = [path[path.index(node) :] for path in every_path(found) if node in path]
        most = max(starts_along(way, devices, start) - start[devices[node]] for way in ways)
        assert costs[node] == pytest.approx(most)

"""The order in which an assignment's stages cost least to start: by eye, and by brute force."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.passes.partition.orders import best_order as module
from stagecut.passes.partition.orders.best_order import best_order, starts_in
from stagecut.passes.partition.orders.precedence import Precedence
from tests.support.orders import every_order, precedence, precedences

#: Edges, the device of each node, and the order with its stages.
CASES = {
    "a chain has one order": ("a b(a) c(b)", "p q p", "a|b|c"),
    "the graph's order is kept where none is better": ("a b c", "p p p", "abc"),
    "a node that is ready goes with its own device": ("a b c(a) d(c)", "p q p p", "acd|b"),
    "and does not wait for the graph's order": ("a b(a) c(a) d(b,c)", "p q p q", "ac|bd"),
    "two branches that meet": ("a b(a) c d(c) e(b,d)", "p q p q p", "ac|bd|e"),
    "the longer branch goes first": ("a b(a) c(b) d", "p q p q", "a|bd|c"),
}


@pytest.mark.parametrize(("edges", "devices", "expected"), CASES.values(), ids=CASES.keys())
def test_by_eye(edges: str, devices: str, expected: str) -> None:
    numbers = ["pq".index(device) for device in devices.split()]
    found = best_order(precedence(edges), numbers, (1.0, 1.0))
    drawn = "".join(
        ("|" if at and numbers[node] != numbers[found.nodes[at - 1]] else "") + "abcdefgh"[node]
        for at, node in enumerate(found.nodes)
    )
    assert (drawn, found.proven) == (expected, True)
    assert found.starts == len(expected.split("|"))


def test_what_starts_for_nothing_may_start_often() -> None:
    """A stage on p costs something: q starts twice so that p starts once."""
    graph = precedence("a b(a) c d(c) e(b)")
    found = best_order(graph, (1, 0, 1, 0, 1), (1.0, 0.0))
    assert found.starts == 1


START = (1.0, 2.5, 0.25)


@given(precedences(), st.data())
def test_no_order_starts_cheaper(found: Precedence, data: st.DataObject) -> None:
    devices = data.draw(st.lists(st.integers(0, 2), min_size=len(found), max_size=len(found)))
    _agrees(found, devices)


def test_no_order_starts_cheaper_with_any_devices() -> None:
    """Two branches that meet twice, with all 3**6 assignments."""
    graph = precedence("a b c(a) d(b) e(c,d) f(d)")
    for devices in product(range(3), repeat=6):
        _agrees(graph, devices)


def _agrees(found: Precedence, devices: tuple[int, ...] | list[int]) -> None:
    best = best_order(found, devices, START)
    orders = [*every_order(found)]
    least = min(starts_in(order, devices, START) for order in orders)
    assert best.nodes in orders
    assert best.starts == pytest.approx(starts_in(best.nodes, devices, START))
    assert best.proven
    assert best.starts == pytest.approx(least)


def test_a_search_that_is_cut_short_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of nodes that alternate between devices, where the most expensive path misleads."""
    monkeypatch.setattr(module, "_MOST_STATES", 0)
    graph = precedence("a b(a) c(b) d e(d) f")
    devices = (0, 1, 0, 1, 0, 2)
    best = best_order(graph, devices, START)
    assert best.nodes in [*every_order(graph)]
    least = min(starts_in(order, devices, START) for order in every_order(graph))
    assert best.starts >= least
    assert best.starts == starts_in(best.nodes, devices, START)
    assert not best.proven


def test_the_same_assignment_gives_the_same_order() -> None:
    graph = precedence("a b c d e(a,b) f(c,d) g(e,f)")
    devices = (0, 1, 0, 1, 2, 2, 0)
    assert best_order(graph, devices, START) == best_order(graph, devices, START)

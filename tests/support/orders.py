"""Precedences out of drawn edges, and the slow obvious answers about orders."""

from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable
from stagecut.passes.partition.orders.precedence import Precedence
from tests.support.tables import cost_table


def graph_of(edges: str) -> CostTable:
    """`"a b c(a) d(b, c)"`, one node each, on whatever device."""
    names = edges.replace(", ", ",").split()
    lines = [f"{name.replace('(', ' (')}: cpu 1, gang 1, pim 1" for name in names]
    return cost_table("\n".join(line.replace(" (", "(") for line in lines))


def precedence(edges: str) -> Precedence:
    return Precedence.of(graph_of(edges))


def every_order(found: Precedence) -> Iterator[tuple[int, ...]]:
    """Every order in which the nodes can run."""

    def orders(done: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(done) == len(found):
            yield done
        for node in range(len(found)):
            if node not in done and set(found.before[node]) <= set(done):
                yield from orders((*done, node))

    return orders(())


def every_path(found: Precedence) -> Iterator[list[int]]:
    """Every way from a node that waits for none to one that none waits for."""

    def paths(way: list[int]) -> Iterator[list[int]]:
        if not found.after[way[-1]]:
            yield way
        for node in found.after[way[-1]]:
            yield from paths([*way, node])

    for node, before in enumerate(found.before):
        if not before:
            yield from paths([node])


def starts_along(path: Sequence[int], devices: Sequence[int], start: Sequence[float]) -> float:
    """What starting stages takes when the nodes of `path` run in this order, and no others."""
    total, last = 0.0, -1
    for node in path:
        total += start[devices[node]] if devices[node] != last else 0.0
        last = devices[node]
    return total


@st.composite
def precedences(draw: st.DrawFn, max_nodes: int = 7) -> Precedence:
    """Any graph of up to so many nodes, each of which waits for up to three before it."""
    count = draw(st.integers(1, max_nodes))
    before = [
        tuple(sorted(draw(st.sets(st.integers(0, node - 1), max_size=3)) if node else ()))
        for node in range(count)
    ]
    after = [tuple(n for n in range(count) if node in before[n]) for node in range(count)]
    return Precedence(tuple(before), tuple(after))

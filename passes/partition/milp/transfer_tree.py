"""Transfers in the integer program where the ways between the memories of a value form a tree.

                     pim.0
                    /
    z[v, p, q]  host -- pim.1      p, q: the two ends of a link, in either direction
                    \\
                     pim.2

Taking a link away leaves two sides. A value crosses the link from p to q where it is written on p's
side and somebody on q's side reads it, once for all of them:

    z[v, p, q] >= x[reader on q's side] - x[writer on q's side]     for every reader; 1 for an end

That is a minimum cut for each link, so nothing but budgets is left to branch on, and it takes one
variable for each direction of a link, however many memories lie behind it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from stagecut.passes.partition.milp.program import Terms

if TYPE_CHECKING:
    import networkx as nx

#: By the memory in which a value is written: the last stop on its way to each other one.
Stops: TypeAlias = Mapping[str, Mapping[str, str]]

#: What takes a value, a node or an end: by memory, the least that has to arrive there once its
#: terms are added.
Taker: TypeAlias = Mapping[str, tuple[float, Terms]]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A link in one direction, `source` > `target`, and the memories on the side of the target.

    Where the two have no link in that direction, nothing may cross.
    """

    source: str
    target: str
    beyond: frozenset[str]
    linked: bool


def crossings(memories: Sequence[str], wanted: Iterable[str], stops: Stops) -> list[Crossing]:
    """Both directions of every link that the ways of a value use, in the order of `memories`; none
    where these do not form one tree that reaches all memories in which it is wanted."""
    import networkx as nx  # here: it takes a while to load

    steps = {(before, target) for way in stops.values() for target, before in way.items()}
    ways: nx.Graph[str] = nx.Graph()
    ways.add_nodes_from([*stops, *wanted])
    ways.add_edges_from(steps)
    if not nx.is_tree(ways):
        return []
    links = [(a, b) for a in memories for b in memories if ways.has_edge(a, b)]
    return [
        Crossing(source, target, _side(ways, source, target), (source, target) in steps)
        for source, target in links
    ]


def _side(ways: "nx.Graph[str]", source: str, target: str) -> frozenset[str]:
    import networkx as nx

    without = nx.restricted_view(ways, [], [(source, target)])
    return frozenset(nx.node_connected_component(without, target))


def demands(
    crossing: Crossing, sources: Mapping[str, Terms], taking: Sequence[Taker]
) -> Iterator[tuple[float, Terms]]:
    """The least, and the terms of the other variables, of each row that the crossing must keep.

    `sources` are the memories where the value may be written, each with the terms that add up to 1
    where it is; none for an input. On the side of the source, a node is where it is not on that of
    the target, so that each row may name either side: it names the one with fewer memories.
    """
    beyond = [memory for memory in sources if memory in crossing.beyond]
    if len(beyond) == len(sources):
        return  # written there in any case
    here = 2 * len(beyond) > len(sources)
    is_input = not all(sources.values())
    for taker in taking:
        if crossing.beyond.isdisjoint(taker):
            continue
        is_end = any(least for least, _ in taker.values())
        terms: dict[int, float] = {}
        for memory, of_side in [
            *sources.items(),
            *((at, terms) for at, (_, terms) in taker.items()),
        ]:
            if (memory in crossing.beyond) != here:
                terms |= {at: -factor if here else factor for at, factor in of_side.items()}
        yield float(is_input if here else is_end), terms

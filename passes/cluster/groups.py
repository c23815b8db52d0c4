"""Groups of nodes that grow by merging, such that the graph of groups stays without cycles.

Merging two groups is safe when no path leads from one to the other by way of a third. Three cases
need no search: the reader is the writer's only reader; the writer is the reader's only writer; the
reader is the writer's first in topological order (a path through a third group would lead over an
earlier reader).
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence

import networkx as nx

from stagecut.compiler.ir.graph import Graph


class Groups:
    """Starts with one group for each node; a group is known by its smallest member's index."""

    def __init__(self, graph: Graph, able: Sequence[frozenset[str]]) -> None:
        self._group = list(range(len(graph.nodes)))
        self._members = {index: [index] for index in self._group}
        self._able = dict(enumerate(able))
        self._readers: dict[int, set[int]] = {index: set() for index in self._group}
        self._writers: dict[int, set[int]] = {index: set() for index in self._group}
        for name, readers in graph.users.items():
            for reader in readers if name in graph.producer else ():
                self._readers[graph.producer[name]].add(reader)
                self._writers[reader].add(graph.producer[name])

    def of(self, index: int) -> int:
        """The group of a node."""
        return self._group[index]

    def members(self, group: int) -> Sequence[int]:
        """The nodes of a group, in the graph's order."""
        return self._members[group]

    def able(self, group: int) -> frozenset[str]:
        """The devices that can run all of a group."""
        return self._able[group]

    def only_reader(self, group: int) -> int | None:
        """The group that is the only one to read from this one, if there is one."""
        readers = self._readers[group]
        return next(iter(readers)) if len(readers) == 1 else None

    def safe_neighbours(self, group: int) -> Iterator[int]:
        """Groups that this one may be merged with: readers first, the cheapest to find first."""
        readers, writers = self._readers[group], self._writers[group]
        if len(readers) == 1:
            yield from readers
        if len(writers) == 1:
            yield from writers
        if len(readers) > 1 or len(writers) > 1:
            position = {group: at for at, group in enumerate(self.in_order())}
            if len(readers) > 1:
                yield min(readers, key=position.__getitem__)
            if len(writers) > 1:
                yield max(writers, key=position.__getitem__)

    def merge(self, one: int, other: int) -> int:
        """Merge two groups, which must be safe neighbours, and return the number of the result."""
        merged, gone = min(one, other), max(one, other)
        self._members[merged] = sorted(self._members[merged] + self._members.pop(gone))
        for index in self._members[merged]:
            self._group[index] = merged
        self._able[merged] &= self._able.pop(gone)
        for links, back in ((self._readers, self._writers), (self._writers, self._readers)):
            for neighbour in links.pop(gone):
                back[neighbour].remove(gone)
                if neighbour != merged:
                    back[neighbour].add(merged)
                    links[merged].add(neighbour)
        return merged

    def set_able(self, group: int, able: frozenset[str]) -> None:
        """Say which devices can run a group that runs otherwise than its members would."""
        self._able[group] = able

    def glue(self, edges: Iterable[tuple[int, int]]) -> None:
        """Merge the two ends of each edge, and then every group that is on a cycle with another."""
        for one, other in edges:
            if self.of(one) != self.of(other):
                self.merge(self.of(one), self.of(other))
        quotient = nx.DiGraph(
            (group, reader) for group, readers in self._readers.items() for reader in readers
        )
        for component in list(nx.strongly_connected_components(quotient)):
            first, *others = sorted(component)
            for other in others:
                first = self.merge(first, other)

    def in_order(self) -> list[int]:
        """All groups in topological order, ties by smallest member."""
        waiting = {group: len(writers) for group, writers in self._writers.items()}
        ready = [group for group, count in waiting.items() if count == 0]
        heapq.heapify(ready)
        order = []
        while ready:
            group = heapq.heappop(ready)
            order.append(group)
            for reader in self._readers[group]:
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    heapq.heappush(ready, reader)
        return order

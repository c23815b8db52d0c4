"""The cost table: what was measured or modelled. The border between measuring and solving."""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from stagecut.compiler.costs_check import check_costs
from stagecut.compiler.machine import Machine

#: Source and target memory of a move.
Route: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the samples behind a median lie apart."""

    runs: int
    min_s: float
    p25_s: float
    p75_s: float


@dataclass(frozen=True, slots=True)
class ValueCosts:
    """A value and what moving it costs, by route; a route that is missing falls back on links."""

    name: str
    size_bytes: int
    move_s: Mapping[Route, float] = field(default_factory=dict)
    move_j: Mapping[Route, float] = field(default_factory=dict)
    move_spread: Mapping[Route, Spread] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeCosts:
    """A node and what running it costs, by device; a device that is missing cannot run it."""

    name: str
    op: str
    run_s: Mapping[str, float]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    weight_bytes: int = 0
    run_j: Mapping[str, float] = field(default_factory=dict)
    run_spread: Mapping[str, Spread] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The memory where a graph input starts, or where a graph output must end."""

    name: str
    memory: str


@dataclass(frozen=True)
class CostTable:
    """Every node and value with its costs.

    `nodes` are in topological order: the constructor sorts them, stably, where they are not. A
    value without a producer that is not in `inputs`, and a result that is not in `outputs`, is
    free: it is wherever it is wanted. Raises CostTableError, whose `where` is the JSON path.
    """

    name: str
    machine: Machine
    values: tuple[ValueCosts, ...]
    nodes: tuple[NodeCosts, ...]
    inputs: tuple[Endpoint, ...] = ()
    outputs: tuple[Endpoint, ...] = ()

    def __post_init__(self) -> None:
        nodes = check_costs(self)
        object.__setattr__(self, "nodes", nodes)


class Moves:
    """What moving each value between each pair of memories costs, routed where no direct way is.

    A direct figure (the value's own `move_s`, else the pair's link) is always used; a pair that
    has none takes the cheapest chain of direct ones (Dijkstra over at most a handful of memories).
    """

    def __init__(self, table: CostTable) -> None:
        self._memories = tuple(memory.name for memory in table.machine.memories)
        self._links = {(link.source, link.target): link for link in table.machine.links}
        self._values = {value.name: value for value in table.values}
        self._routed: dict[tuple[str, Route], float] = {}

    def time_s(self, value: str, source: str, target: str) -> float:
        """Seconds to move `value`; infinity when no chain of links leads from source to target."""
        if source == target:
            return 0.0
        direct = self._direct_s(value, source, target)
        if direct is not None:
            return direct
        key = (value, (source, target))
        if key not in self._routed:
            self._routed[key] = self._cheapest_chain_s(value, source, target)
        return self._routed[key]

    def _direct_s(self, value: str, source: str, target: str) -> float | None:
        costs = self._values[value]
        if (source, target) in costs.move_s:
            return costs.move_s[source, target]
        link = self._links.get((source, target))
        return None if link is None else link.move_s(costs.size_bytes)

    def _cheapest_chain_s(self, value: str, source: str, target: str) -> float:
        best = {source: 0.0}
        queue = [(0.0, source)]
        while queue:
            so_far_s, memory = heapq.heappop(queue)
            if memory == target:
                return so_far_s
            for following in self._memories:
                step_s = self._direct_s(value, memory, following) if following != memory else None
                if step_s is not None and so_far_s + step_s < best.get(following, math.inf):
                    best[following] = so_far_s + step_s
                    heapq.heappush(queue, (so_far_s + step_s, following))
        return math.inf

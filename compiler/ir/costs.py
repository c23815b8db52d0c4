"""The cost table: what was measured or modelled. The border between measuring and solving."""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from stagecut.compiler.ir.costs_check import check_costs, check_energy
from stagecut.compiler.ir.machine import Link, Machine
from stagecut.compiler.ir.objective import LATENCY, Objective

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
    """A node and what running it costs, by device; a device that is missing cannot run it.

    `held_bytes` is what the weights take in a device's memory where that is not `weight_bytes`.
    """

    name: str
    op: str
    run_s: Mapping[str, float]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    weight_bytes: int = 0
    run_j: Mapping[str, float] = field(default_factory=dict)
    run_spread: Mapping[str, Spread] = field(default_factory=dict)
    held_bytes: Mapping[str, int] = field(default_factory=dict)

    def bytes_on(self, device: str) -> int:
        """What the weights take in the device's memory."""
        return self.held_bytes.get(device, self.weight_bytes)


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


@dataclass(frozen=True, slots=True)
class Way:
    """One way to move a value; `energy_j` is None where some part of it is not known."""

    time_s: float
    energy_j: float | None

    def __add__(self, step: "Way") -> "Way":
        time_s = self.time_s + step.time_s
        if self.energy_j is None or step.energy_j is None:
            return Way(time_s, None)
        return Way(time_s, self.energy_j + step.energy_j)


#: What moving from a memory to itself takes.
STAY = Way(0.0, 0.0)


class Moves:
    """What moving each value between each pair of memories takes.

    A direct way (the value's own `move_s`, else the pair's fastest link) is always used. A pair
    that has none takes the cheapest chain of direct ones (Dijkstra over a handful of memories).
    Raises CostTableError when the objective needs an energy that the table does not have.
    """

    def __init__(self, table: CostTable, objective: Objective = LATENCY) -> None:
        if objective.per_j:
            check_energy(table)
        self._objective = objective
        self._memories = tuple(memory.name for memory in table.machine.memories)
        self._links: dict[Route, list[Link]] = {}
        for link in table.machine.links:
            self._links.setdefault((link.source, link.target), []).append(link)
        self._values = {value.name: value for value in table.values}
        self._routed: dict[tuple[str, Route], Way | None] = {}

    def way(self, value: str, source: str, target: str) -> Way | None:
        """How `value` is moved; None when no chain of links leads from source to target."""
        if source == target:
            return STAY
        direct = self._direct(value, source, target)
        if direct is not None:
            return direct
        key = (value, (source, target))
        if key not in self._routed:
            self._routed[key] = self._cheapest_chain(value, source, target)
        return self._routed[key]

    def time_s(self, value: str, source: str, target: str) -> float:
        """Seconds to move `value`; infinity when no chain of links leads from source to target."""
        way = self.way(value, source, target)
        return math.inf if way is None else way.time_s

    def price(self, value: str, source: str, target: str) -> float:
        """What that is by the objective; infinity when no chain leads from source to target."""
        way = self.way(value, source, target)
        return math.inf if way is None else self._objective.price(way.time_s, way.energy_j)

    def _direct(self, value: str, source: str, target: str) -> Way | None:
        costs = self._values[value]
        route = (source, target)
        energy_j = costs.move_j.get(route)
        if route in costs.move_s:
            return Way(costs.move_s[route], energy_j)
        links = self._links.get(route)
        if links is None:
            return None
        return Way(min(link.move_s(costs.size_bytes) for link in links), energy_j)

    def _cheapest_chain(self, value: str, source: str, target: str) -> Way | None:
        best = {source: (0.0, STAY)}
        queue = [(0.0, source)]
        while queue:
            price, memory = heapq.heappop(queue)
            if memory == target:
                return best[memory][1]
            for following in self._memories:
                step = self._direct(value, memory, following) if following != memory else None
                if step is None:
                    continue
                reached = price + self._objective.price(step.time_s, step.energy_j)
                if following not in best or reached < best[following][0]:
                    best[following] = (reached, best[memory][1] + step)
                    heapq.heappush(queue, (reached, following))
        return None

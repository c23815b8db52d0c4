"""Which transfers a run of stages needs, and when: right before the stage that wants them.

A value goes straight from its producer's memory to another where there is a direct route, that is,
a link or a transfer cost of its own; where there is none, along the cheapest chain of direct
routes. The memories that it goes by way of hold the value then, too:

    host -> a -> b, no route from host to b, readers in a and b:   x: host > a,  x: a > b
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, Protocol, TypeAlias

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import ScheduleError
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.schedule import Run, Schedule, Stage, Step, Transfer

#: What a transfer straight along a route costs; None where the route does not exist.
RouteCost: TypeAlias = Callable[[Route], float | None]

#: (value, source) -> for each memory that can be reached from there, the one before it in the
#: chain.
Router: TypeAlias = Callable[[str, str], Mapping[str, str]]


def route_tree(source: str, memories: Iterable[str], cost: RouteCost) -> dict[str, str]:
    """For each memory that can be reached from `source`, the memory before it in the chain.

    A direct route is always taken. The others are the cheapest chains of routes (Bellman and Ford);
    of chains that cost the same, the one found first, going through `memories` in their order.
    """
    others = [memory for memory in memories if memory != source]
    reached: dict[str, float] = {}
    for memory in others:
        straight = cost(Route(source, memory))
        if straight is not None:
            reached[memory] = straight
    before = dict.fromkeys(reached, source)
    missing = [memory for memory in others if memory not in reached]
    for _ in range(len(others) - 1 if missing else 0):
        known = dict(reached)
        for via in others:
            for memory in missing:
                step = cost(Route(via, memory)) if via in reached and via != memory else None
                if step is not None and reached[via] + step < reached.get(memory, math.inf):
                    reached[memory] = reached[via] + step
                    before[memory] = via
        if reached == known:
            break
    return before


class Member(Protocol):
    """Something that reads values and writes some: a node, or a whole program."""

    @property
    def inputs(self) -> Sequence[str]: ...
    @property
    def outputs(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """The values that a program reads and writes, by name."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class StageBorder(NamedTuple):
    """A stage in its memory, and its members in the order in which they run."""

    stage: Stage
    memory: str
    members: Sequence[Member]


def lay_out(
    borders: Iterable[StageBorder],
    starts: Mapping[str, str],
    ends: Sequence[tuple[str, str]],
    router: Router,
) -> Schedule:
    """The schedule that runs the stages in this order, each value transferred when first wanted.

    `starts` are the memories in which the inputs lie; an input without one is wherever it is
    wanted. `ends` are values and the memories in which they must be in the end. Raises
    ScheduleError where no chain of routes leads from where a value is to where it is wanted.
    """
    home = dict(starts)
    home_of = home.get
    arrived: set[tuple[str, str]] = set()
    stages: list[Stage] = []
    steps: list[Step] = []

    def bring(value: str, memory: str) -> None:
        source = home[value]
        if memory == source or (value, memory) in arrived:
            return
        before = router(value, source).get(memory)
        if before is None:
            raise ScheduleError(
                f"cannot be transferred from {source} to {memory}",
                where=f"value {value}",
                fix="add a link between these memories",
            )
        if before != source:
            bring(value, before)
        arrived.add((value, memory))
        steps.append(Transfer(value, Route(before, memory)))

    for border in borders:
        memory = border.memory
        for member in border.members:
            for value in member.inputs:
                if home_of(value, memory) != memory:  # what has no home is free
                    bring(value, memory)
            for value in member.outputs:
                home[value] = memory
        steps.append(Run(len(stages)))
        stages.append(border.stage)
    for value, memory in ends:
        if value in home:
            bring(value, memory)
    return Schedule(tuple(stages), tuple(steps))


def stages_in(order: Sequence[str], device_of: Mapping[str, str]) -> tuple[Stage, ...]:
    """The nodes in this order, cut into stages wherever the device changes."""
    runs = groupby(order, key=device_of.__getitem__)
    return tuple(Stage(device, tuple(nodes)) for device, nodes in runs)


def scheduled(
    table: CostTable,
    stages: Sequence[Stage],
    objective: Objective = LATENCY,
    router: Router | None = None,
) -> Schedule:
    """The schedule of `stages`, in this order, for a cost table.

    Without a router, the objective says which chain of links is the cheapest where there is no
    direct way. Raises ScheduleError where a value cannot get to where it is wanted.
    """
    memory_of = {device.name: device.memory for device in table.machine.devices}
    nodes = table.node_named
    borders = (
        StageBorder(
            stage,
            memory_of[stage.device],
            [nodes[name] for name in stage.nodes],
        )
        for stage in stages
    )
    starts = {end.name: end.memory for end in table.inputs}
    ends = [(end.name, end.memory) for end in table.outputs]
    return lay_out(borders, starts, ends, router or table_router(table, objective))


def table_router(table: CostTable, objective: Objective = LATENCY) -> Router:
    """The router of a table's values, whose cheapest chains are cheapest by `objective`."""
    memories = [memory.name for memory in table.machine.memories]
    straight = {
        source: dict.fromkeys((memory for memory in memories if memory != source), source)
        for source in memories
    }
    pairs = len(memories) * (len(memories) - 1)
    links = sum(
        any(link.bytes_per_s is not None for link in links)
        for links in table.machine.links_on.values()
    )
    known: dict[tuple[str, str], dict[str, str]] = {}

    def router(value: str, source: str) -> Mapping[str, str]:
        if links == pairs or len(table.value_named[value].transfer_s) == pairs:
            return straight[source]
        key = (value, source)
        if key not in known:

            def price(route: Route) -> float | None:
                cost = table.transfer(value, route)
                return None if cost is None else objective.price(cost.time_s, cost.energy_j)

            known[key] = route_tree(source, memories, price)
        return known[key]

    return router

"""Which transfers a run of stages needs, and when: right before the stage that wants them.

A value goes straight from its producer's memory to another where there is a direct route, that is,
a link or a transfer cost of its own; where there is none, along the cheapest chain of direct
routes. The memories that it goes by way of hold the value then, too:

    host -> a -> b, no route from host to b, readers in a and b:   x: host > a,  x: a > b
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, compress, islice
from operator import ne
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import ScheduleError
from stagecut.compiler.ir.in_bulk import in_bulk
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.numbered import Ints
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.schedule import Run, Schedule, Stage, Transfer

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


class Want(NamedTuple):
    """A value that lies in the memory `source` is wanted in another, before the stage of this index
    runs, or in the end, where there are no more stages."""

    stage: int
    value: str
    source: str
    memory: str


def lay_out(
    borders: Sequence[StageBorder],
    starts: Mapping[str, str],
    ends: Sequence[tuple[str, str]],
    router: Router,
) -> Schedule:
    """The schedule that runs the stages in this order, each value transferred when first wanted.

    `starts` are the memories in which the inputs lie; an input without one is wherever it is
    wanted. `ends` are values and the memories in which they must be in the end. Raises
    ScheduleError where no chain of routes leads from where a value is to where it is wanted.
    """
    stages = [border.stage for border in borders]
    return _with_transfers(stages, _wants(borders, starts, ends), router)


def _wants(
    borders: Sequence[StageBorder], starts: Mapping[str, str], ends: Sequence[tuple[str, str]]
) -> Iterator[Want]:
    """As they come up; the same may be wanted again and again."""
    home = dict(starts)
    for index, border in enumerate(borders):
        for member in border.members:
            for value in member.inputs:
                source = home.get(value, border.memory)  # what has no home is free
                if source != border.memory:
                    yield Want(index, value, source, border.memory)
            home.update(dict.fromkeys(member.outputs, border.memory))
    for value, memory in ends:
        if home.get(value, memory) != memory:
            yield Want(len(borders), value, home[value], memory)


def _with_transfers(stages: Sequence[Stage], wants: Iterable[Want], router: Router) -> Schedule:
    """The stages in this order; whatever is wanted is transferred when it is first wanted."""
    legs = [*_legs(wants, router)]
    before, values, sources, targets = zip(*legs, strict=True) if legs else ((),) * 4
    # In bulk, as there may be a million: the transfers, each before a stage, then the runs between.
    steps = np.empty(len(stages) + len(legs), dtype=np.object_)
    is_run = np.ones(len(steps), dtype=np.bool_)
    is_run[np.array(before, dtype=np.int64) + np.arange(len(legs))] = False
    steps[is_run] = in_bulk(Run, len(stages), stage=range(len(stages)))
    routes = map(cache(Route), sources, targets)
    steps[~is_run] = in_bulk(Transfer, len(legs), value=values, route=routes)
    return Schedule(tuple(stages), tuple(steps.tolist()))


def _legs(wants: Iterable[Want], router: Router) -> Iterator[Want]:
    """The transfers that bring what is wanted to where it is not yet."""
    arrived: set[tuple[str, str]] = set()
    for want in wants:
        stage, value, source, at = want
        if (value, at) not in arrived and router(value, source).get(at) == source:  # nearly always
            arrived.add((value, at))
            yield want
            continue
        way: list[Want] = []
        while at != source and (value, at) not in arrived:
            before = router(value, source).get(at)
            if before is None:
                raise ScheduleError(
                    f"cannot be transferred from {source} to {at}",
                    where=f"value {value}",
                    fix="add a link between these memories",
                )
            arrived.add((value, at))
            way.append(Want(stage, value, before, at))
            at = before
        yield from reversed(way)


def stages_in(order: Sequence[str], device_of: Mapping[str, str]) -> tuple[Stage, ...]:
    """The nodes in this order, cut into stages wherever the device changes."""
    return stages_on(order, [device_of[node] for node in order])


def stages_on(order: Sequence[str], devices: Sequence[str]) -> tuple[Stage, ...]:
    """The same, where `devices` has an entry for each node of `order`."""
    if not devices:
        return ()
    changes = compress(range(1, len(devices)), map(ne, devices, islice(devices, 1, None)))
    starts = [0, *changes]
    nodes = tuple(order)
    return tuple(
        in_bulk(
            Stage,
            len(starts),
            device=map(devices.__getitem__, starts),
            nodes=map(nodes.__getitem__, map(slice, starts, [*starts[1:], len(devices)])),
        )
    )


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
    router = router or table_router(table, objective)
    return _with_transfers(stages, _table_wants(table, stages), router)


def _table_wants(table: CostTable, stages: Sequence[Stage]) -> Iterator[Want]:
    """Like `_wants`, each but once, and in arrays: there may be a million nodes."""
    memories = [*table.machine.memory_named]
    number = {name: at for at, name in enumerate(memories)}
    sizes = [len(stage.nodes) for stage in stages]
    devices = {device.name: number[device.memory] for device in table.machine.devices}
    places = [devices[stage.device] for stage in stages]
    order = _node_numbers(table, [*chain.from_iterable(stage.nodes for stage in stages)])
    # Of each node: when it runs, and where; a node that does not run does so last, and nowhere.
    runs = np.full(len(table.nodes), len(order))
    runs[order] = np.arange(len(order))
    memory = np.full(len(table.nodes), -1)
    memory[order] = np.repeat(np.array(places, dtype=np.int64), sizes)
    # Of each value: from when on it is where; one that nobody writes, and no input, is nowhere.
    since, home = np.full((2, len(table.values)), -1)
    writer, value = table.numbered.writes
    since[value], home[value] = runs[writer], memory[writer]
    for end in table.inputs:
        home[table.numbered.value[end.name]] = number[end.memory]
    reader, value = table.numbered.reads
    apart = (home[value] != memory[reader]) & (home[value] >= 0) & (memory[reader] >= 0)
    rows = np.flatnonzero(apart & (since[value] < runs[reader]))
    rows = rows[np.argsort(runs[reader[rows]], kind="stable")]
    wanted = value[rows] * len(memories) + memory[reader[rows]]
    rows = rows[np.sort(np.unique(wanted, return_index=True)[1])]
    stage_of = np.repeat(np.arange(len(stages)), sizes)
    yield from map(
        Want,
        stage_of[runs[reader[rows]]].tolist(),
        [table.values[at].name for at in value[rows].tolist()],
        [memories[at] for at in home[value[rows]].tolist()],
        [memories[at] for at in memory[reader[rows]].tolist()],
    )
    for end in table.outputs:
        source = int(home[table.numbered.value[end.name]])
        if source not in {-1, number[end.memory]}:
            yield Want(len(stages), end.name, memories[source], end.memory)


def _node_numbers(table: CostTable, order: Sequence[str]) -> Ints:
    names = [node.name for node in table.nodes]
    if order == names:
        return np.arange(len(names))
    number = dict(zip(names, range(len(names)), strict=True))
    return np.fromiter(map(number.__getitem__, order), np.int64, len(order))


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
        if links == pairs or len(table.value(value).transfer_s) == pairs:
            return straight[source]
        key = (value, source)
        if key not in known:

            def price(route: Route) -> float | None:
                cost = table.transfer(value, route)
                return None if cost is None else objective.price(cost.time_s, cost.energy_j)

            known[key] = route_tree(source, memories, price)
        return known[key]

    return router

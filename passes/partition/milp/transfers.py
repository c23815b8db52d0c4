"""Transfers in the integer program.

Where the ways of a value form a tree, as between a host and its accelerators, transfer_tree.py says
how. In any other machine:

z[v, s, m]     memory m gets value v, which was written in s
y[n, v, s, m]  node n, which is in m, reads v, which was written in s

    z[v, s, m] <= x[writer of v in s]
    z[v, s, m] <= z[v, s, stop]                 where its way has a last stop before m
    sum over s of z[v, s, m] >= x[n in m]       for every reader n of v; 1 for an end

That is right for whole x and loose for others: half of a writer could serve half of a reader in
several memories at once. So every reader has a part y of its own of each transfer, and

    y[n, v, s, m] <= z[v, s, m]
    sum over m of y[n, v, s, m] <= x[writer of v in s]
    sum over s of y[n, v, s, m] >= x[n in m]

so that hardly anything is left for the search to branch on. A lone reader needs no y: it is z.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.transfers import table_router
from stagecut.passes.partition.milp.program import PartitionProgram, Terms
from stagecut.passes.partition.milp.transfer_tree import Stops, Taker, crossings, demands

#: The most takers of a value that have parts of their own.
_SPLIT = 2

#: Source -> target -> variable.
_Ways: TypeAlias = Mapping[str, Mapping[str, int]]


def add_transfers(built: PartitionProgram, objective: Objective) -> None:
    takers = _takers(built)
    router = table_router(built.table, objective)
    for value, sources in _sources(built).items():
        taking = takers.get(value, ())
        stops = {source: router(value, source) for source in sources}
        if _cut(built, objective, value, sources, stops, taking):
            continue
        ways = {
            source: _steps(built, objective, value, source, stops[source], taking)
            for source in sources
        }
        if len(sources) == 1 or len(taking) > _SPLIT:
            _share(built, sources, ways, taking)
        elif len(taking) == 1 and all(set(each.values()) <= {at} for at, each in stops.items()):
            _split(built, sources, ways, taking[0])
        else:
            for taker in taking:
                _split(built, sources, _parts(built, ways, taker), taker)


def _cut(
    built: PartitionProgram,
    objective: Objective,
    value: str,
    sources: Mapping[str, Terms],
    stops: Stops,
    taking: Sequence[Taker],
) -> bool:
    """Whether the ways of the value form a tree, and all is said of its transfers."""
    memories = [memory.name for memory in built.table.machine.memories]
    wanted = [memory for taker in taking for memory in taker]
    cut = crossings(memories, wanted, stops)
    for crossing in cut:
        rows = [*demands(crossing, sources, taking)]
        step = {}
        if rows and crossing.linked:
            route = Route(crossing.source, crossing.target)
            step = {_step(built, objective, value, route): 1.0}
        for least, terms in rows:
            built.program.at_least(least, step | dict(terms))
    return bool(cut)


def _share(
    built: PartitionProgram, sources: Mapping[str, Terms], ways: _Ways, taking: Sequence[Taker]
) -> None:
    """Each variable of `ways` once for all takers."""
    for source, present in sources.items():
        for variable in ways[source].values() if present else ():
            built.program.at_least(0.0, {**present, variable: -1.0})
    for taker in taking:
        _supply(built, ways, taker)


def _split(
    built: PartitionProgram, sources: Mapping[str, Terms], ways: _Ways, taker: Taker
) -> None:
    """The variables of `ways` are the taker's own: from each source it gets the value once."""
    for source, present in sources.items():
        parts = {ways[source][memory]: -1.0 for memory in taker if memory in ways[source]}
        built.program.at_least(0.0, {**present, **parts})
    _supply(built, ways, taker)


def _supply(built: PartitionProgram, ways: _Ways, taker: Taker) -> None:
    for memory, (lower, terms) in taker.items():
        arrivals = {way[memory]: 1.0 for way in ways.values() if memory in way}
        built.program.at_least(lower, {**arrivals, **terms})


def _parts(built: PartitionProgram, ways: _Ways, taker: Taker) -> _Ways:
    """The taker's own part of each transfer that it may want."""
    parts: dict[str, dict[str, int]] = {}
    for source, way in ways.items():
        parts[source] = {}
        for memory in filter(way.__contains__, taker):
            part = parts[source][memory] = built.program.variable(0.0)
            built.program.at_least(0.0, {way[memory]: 1.0, part: -1.0})
    return parts


def _steps(
    built: PartitionProgram,
    objective: Objective,
    value: str,
    source: str,
    stops: Mapping[str, str],
    taking: Sequence[Taker],
) -> dict[str, int]:
    """The variables z[value, source, ...] by target; nothing is paid for staying."""
    arrival = {source: built.program.variable(0.0)}
    for target in _on_the_way(stops, source, dict.fromkeys(m for taker in taking for m in taker)):
        before = stops[target]
        arrival[target] = _step(built, objective, value, Route(before, target))
        if before != source:
            built.program.at_least(0.0, {arrival[before]: 1.0, arrival[target]: -1.0})
    return arrival


def _on_the_way(
    stops: Mapping[str, str], source: str, wanted: Mapping[str, object]
) -> Iterator[str]:
    """The memories to which a value may have to go, each after its last stop."""
    seen: set[str] = {source}

    def way(memory: str) -> Iterator[str]:
        if memory not in seen:
            seen.add(memory)
            yield from way(stops[memory])
            yield memory

    for memory in wanted:
        if memory in stops:
            yield from way(memory)


def _step(built: PartitionProgram, objective: Objective, value: str, route: Route) -> int:
    cost = built.table.transfer(value, route)
    if cost is None:
        raise AssertionError(f"a way of {value} has a step along {route}")
    variable = built.program.variable(objective.price(cost.time_s, cost.energy_j))
    built.steps[variable] = cost
    return variable


def _sources(built: PartitionProgram) -> dict[str, dict[str, Terms]]:
    """Value -> memory -> the terms that add up to 1 where it is written there; none for an
    input."""
    sources: dict[str, dict[str, Terms]] = {
        end.name: {end.memory: {}} for end in built.table.inputs
    }
    for index, node in enumerate(built.table.nodes):
        sources |= dict.fromkeys(node.outputs, built.in_memories(index, 1.0))
    return sources


def _takers(built: PartitionProgram) -> dict[str, list[Taker]]:
    """By value; an end first."""
    takers: dict[str, list[Taker]] = {}
    for end in built.table.outputs:
        takers.setdefault(end.name, []).append({end.memory: (1.0, {})})
    for index, node in enumerate(built.table.nodes):
        wants = {memory: (0.0, terms) for memory, terms in built.in_memories(index, -1.0).items()}
        for value in dict.fromkeys(node.inputs):
            takers.setdefault(value, []).append(wants)
    return takers

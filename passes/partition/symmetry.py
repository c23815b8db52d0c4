"""Of schedules that differ in the names of interchangeable memories only, one is enough.

    acc.0: a, b   acc.1: c, d     kept      anchors: a may run in acc.0, c in acc.0 and acc.1,
    acc.2: a, b   acc.0: c, d               and both outside of the three
    ...           and four more

Memories are interchangeable that are alike (alike.py), have the same room, hand each other values
at one price, and are on no value's way to elsewhere: which of several ways as good as each other it
takes goes by the memories' order, and it stays in what it goes by. A search would have to rule out
each renamed copy of a schedule by itself. So of k such memories k - 1 nodes are anchors: the first
may run in the first memory only, the second in the first two, and so on, or outside of them.
Whatever a schedule is, its memories can be renamed to be so, anchor after anchor: these are fixings
of an orbitope (Kaibel and Pfetsch, Math. Program. 114, 2008). Which memory comes first is as the
incumbent has it, which is kept.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from stagecut.compiler.ir.costs import ENERGY, CostTable, NodeCosts
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.transfers import table_router
from stagecut.passes.partition.alike import Alike, alike, linked_alike, price


def interchangeable(table: CostTable, objective: Objective = LATENCY) -> tuple[Alike, ...]:
    """Groups of two or more memories; none where joules are limited, of which two chains of links
    that are as good as each other may take more or less."""
    if any(budget.name == ENERGY for budget in table.budgets):
        return ()
    parts = [
        part
        for group in alike(table)
        for part in _with_room_alike(table, group)
        if len(part) > 1 and linked_alike(table, part) and _is_linked_evenly(table, part)
    ]
    relays = _relays(table, objective) if parts else set()
    return tuple(part for part in parts if relays.isdisjoint(part))


def _relays(table: CostTable, objective: Objective) -> set[str]:
    """The memories by way of which some value goes from one to another."""
    router = table_router(table, objective)
    names = [memory.name for memory in table.machine.memories]
    return {
        before
        for value in table.values
        for source in names
        for before in router(value.name, source).values()
        if before != source
    }


def break_symmetry(table: CostTable, groups: Sequence[Alike], placed: Sequence[str]) -> CostTable:
    """The table with fewer candidates, in which every schedule of it is under some of its names:
    `groups` are interchangeable, and `placed` has the device of each node in one that is kept."""
    nodes = [*table.nodes]
    memory_of = {device.name: device.memory for device in table.machine.devices}
    for group in groups:
        first: list[str] = []
        for at in _heaviest(table, memory_of, group, placed):
            memory = memory_of[placed[at]]
            if memory not in first:
                first.append(memory)
                nodes[at] = _without(nodes[at], {*group} - {*first}, memory_of)
    return replace(table, nodes=tuple(nodes))


def _with_room_alike(table: CostTable, group: Alike) -> list[Alike]:
    parts: dict[int | None, list[str]] = {}
    for memory in group:
        parts.setdefault(table.machine.memory_named[memory].capacity_bytes, []).append(memory)
    return [tuple(part) for part in parts.values()]


def _is_linked_evenly(table: CostTable, group: Alike) -> bool:
    """Whether every value costs the same between any two of them."""
    routes = [(one, other) for one in group for other in group if one != other]
    return all(
        price(table, value, *route) == price(table, value, *routes[0])
        for value in table.values
        for route in routes
    )


def _heaviest(
    table: CostTable, memory_of: Mapping[str, str], group: Alike, placed: Sequence[str]
) -> list[int]:
    """The nodes that are placed in the group: those that must be somewhere in it, and then those
    that take most room there, before the others."""

    def weight(at: int) -> tuple[bool, int]:
        node = table.nodes[at]
        elsewhere = any(memory_of[device] not in group for device in node.run_s)
        return elsewhere, -node.bytes_on(placed[at])

    inside = (at for at, device in enumerate(placed) if memory_of[device] in group)
    return sorted(inside, key=weight)


def _without(node: NodeCosts, memories: Collection[str], memory_of: Mapping[str, str]) -> NodeCosts:
    left = {name: time_s for name, time_s in node.run_s.items() if memory_of[name] not in memories}
    return replace(node, run_s=left)

"""Memories that are alike, with their devices: running and transferring costs the same in each.

    host -- acc.0, acc.1, acc.2     nodes take as long in each, and so do transfers from the host

Their rooms may differ, and so may what lies between them.
"""

from collections.abc import Sequence
from typing import TypeAlias

from stagecut.compiler.ir.costs import CostTable, ValueCosts
from stagecut.compiler.ir.machine import Machine, Route

#: Memories that are alike; each with its devices, and the first of these are alike, and so on.
Alike: TypeAlias = tuple[str, ...]


def alike(table: CostTable) -> tuple[Alike, ...]:
    """Groups of two or more. What must begin or end in a memory makes it one of its own."""
    ends = {end.memory for end in (*table.inputs, *table.outputs)}
    on = devices_on(table.machine)
    groups: dict[object, list[str]] = {}
    for memory, devices in on.items():
        if devices and memory not in ends:
            groups.setdefault(_own_costs(table, devices), []).append(memory)
    return tuple(
        tuple(group) for group in groups.values() if len(group) > 1 and linked_alike(table, group)
    )


def devices_on(machine: Machine) -> dict[str, list[str]]:
    on: dict[str, list[str]] = {memory.name: [] for memory in machine.memories}
    for device in machine.devices:
        on[device.memory].append(device.name)
    return on


def _own_costs(table: CostTable, devices: Sequence[str]) -> tuple[object, ...]:
    """What starting a stage and running each node costs on the devices, and uses of budgets."""
    start = tuple(table.machine.device(device).stage_s for device in devices)
    return start, tuple(
        (
            node.run_s.get(device),
            node.run_j.get(device),
            node.bytes_on(device),
            tuple(uses.get(device, 0.0) for uses in node.uses.values()),
        )
        for node in table.nodes
        for device in devices
    )


def linked_alike(table: CostTable, group: Sequence[str]) -> bool:
    """Whether transfers to and from the other memories cost the same for each of the group."""
    others = [memory.name for memory in table.machine.memories if memory.name not in group]
    first, *rest = group
    return all(
        price(table, value, memory, other) == price(table, value, first, other)
        and price(table, value, other, memory) == price(table, value, other, first)
        for value in table.values
        for other in others
        for memory in rest
    )


def price(
    table: CostTable, value: ValueCosts, source: str, target: str
) -> tuple[float, float | None] | None:
    cost = table.transfer(value.name, Route(source, target))
    return None if cost is None else (cost.time_s, cost.energy_j)

"""Devices that are alike, as one that has the room of all of them.

    acc.0, acc.1, acc.2: 600 MB each    ->    acc.0: 1,800 MB

Any schedule becomes one of the pool, at no higher cost: nodes cost the same there, what is
transferred between the devices need not be any more, and what comes to or leaves several of them
comes or leaves once. So what no schedule of the pool can go below, no schedule can; and the pool
has none of the schedules that differ in the names of devices only, which a search would have to
tell apart. Its cheapest assignment, dealt out over the devices in the order of the graph, is where
a search may begin:

    pool        acc.0 acc.0 cpu acc.0 acc.0     room for two nodes in each device
    dealt out   acc.0 acc.0 cpu acc.1 acc.1
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.machine import Machine, Route
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.solution import Assignment

#: Memories that are alike; each with its devices, and the first of these are alike, and so on.
Alike: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """`table` has of each group of `alike` memories only the first one and its devices."""

    table: CostTable
    alike: tuple[Alike, ...]


def pool(table: CostTable) -> Pool | None:
    """None where no two devices are alike."""
    alike = _alike(table)
    if not alike:
        return None
    gone = {memory for group in alike for memory in group[1:]}
    devices = {device.name for device in table.machine.devices if device.memory not in gone}
    return Pool(
        replace(
            table,
            machine=_machine(table.machine, alike, gone),
            values=tuple(_value(value, gone) for value in table.values),
            nodes=tuple(_node(node, devices) for node in table.nodes),
        ),
        alike,
    )


def dealt_out(
    table: CostTable, pooled: Pool, assignment: Assignment, objective: Objective
) -> Sequence[int]:
    """The device of each node, by its index: an assignment of the pool, memory after memory in the
    order of the nodes. A node that no memory has room for goes where it is cheapest."""
    deal = _Deal(table, pooled, objective)
    return [deal.device(node, assignment[node.name]) for node in table.nodes]


class _Deal:
    def __init__(self, table: CostTable, pooled: Pool, objective: Objective) -> None:
        machine = table.machine
        self._objective = objective
        self._index = {device.name: at for at, device in enumerate(machine.devices)}
        self._memory = {device.name: device.memory for device in machine.devices}
        on = _devices_on(machine)
        self._next = {
            first: [on[memory][at] for memory in group]
            for group in pooled.alike
            for at, first in enumerate(on[group[0]])
        }
        self._group = {memory: group for group in pooled.alike for memory in group}
        self._current = dict.fromkeys(pooled.alike, 0)
        self._left = {
            memory.name: math.inf if memory.capacity_bytes is None else memory.capacity_bytes
            for memory in machine.memories
        }

    def device(self, node: NodeCosts, wanted: str) -> int:
        device = self._dealt(node, wanted) if wanted in self._next else wanted
        self._left[self._memory[device]] -= node.bytes_on(device)
        return self._index[device]

    def _dealt(self, node: NodeCosts, wanted: str) -> str:
        """Never one that was left before: what room there is left there is too small."""
        group = self._group[self._memory[wanted]]
        for at in range(self._current[group], len(group)):
            if self._has_room(node, self._next[wanted][at]):
                self._current[group] = at
                return self._next[wanted][at]
        elsewhere = [
            (self._objective.price(time_s, node.run_j.get(device)), self._index[device], device)
            for device, time_s in node.run_s.items()
            if self._memory[device] not in group and self._has_room(node, device)
        ]
        return min(elsewhere)[-1] if elsewhere else wanted

    def _has_room(self, node: NodeCosts, device: str) -> bool:
        return node.bytes_on(device) <= self._left[self._memory[device]]


def _alike(table: CostTable) -> tuple[Alike, ...]:
    """Groups of two or more. What must begin or end in a memory makes it one of its own."""
    ends = {end.memory for end in (*table.inputs, *table.outputs)}
    on = _devices_on(table.machine)
    groups: dict[object, list[str]] = {}
    for memory, devices in on.items():
        if devices and memory not in ends:
            groups.setdefault(_own_costs(table, devices), []).append(memory)
    return tuple(
        tuple(group) for group in groups.values() if len(group) > 1 and _linked_alike(table, group)
    )


def _devices_on(machine: Machine) -> dict[str, list[str]]:
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


def _linked_alike(table: CostTable, group: Sequence[str]) -> bool:
    """Whether transfers to and from the other memories cost the same for each of the group."""
    others = [memory.name for memory in table.machine.memories if memory.name not in group]
    first, *rest = group
    return all(
        _price(table, value, memory, other) == _price(table, value, first, other)
        and _price(table, value, other, memory) == _price(table, value, other, first)
        for value in table.values
        for other in others
        for memory in rest
    )


def _price(
    table: CostTable, value: ValueCosts, source: str, target: str
) -> tuple[float, float | None] | None:
    cost = table.transfer(value.name, Route(source, target))
    return None if cost is None else (cost.time_s, cost.energy_j)


def _machine(machine: Machine, alike: Sequence[Alike], gone: set[str]) -> Machine:
    known = {memory.name: memory for memory in machine.memories}
    room: dict[str, int | None] = {}
    for group in alike:
        capacities = [known[memory].capacity_bytes for memory in group]
        limited = [capacity for capacity in capacities if capacity is not None]
        room[group[0]] = sum(limited) if len(limited) == len(group) else None
    return replace(
        machine,
        memories=tuple(
            replace(memory, capacity_bytes=room.get(memory.name, memory.capacity_bytes))
            for memory in machine.memories
            if memory.name not in gone
        ),
        devices=tuple(device for device in machine.devices if device.memory not in gone),
        links=tuple(link for link in machine.links if gone.isdisjoint((link.source, link.target))),
    )


def _value(value: ValueCosts, gone: set[str]) -> ValueCosts:
    def left(costs: Mapping[Route, float]) -> dict[Route, float]:
        return {
            route: cost
            for route, cost in costs.items()
            if gone.isdisjoint((route.source, route.target))
        }

    return ValueCosts(value.name, value.size_bytes, left(value.transfer_s), left(value.transfer_j))


def _node(node: NodeCosts, devices: set[str]) -> NodeCosts:
    run_s = {device: time_s for device, time_s in node.run_s.items() if device in devices}
    return replace(node, run_s=run_s)

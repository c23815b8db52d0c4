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
from typing import TypeVar

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.machine import Machine, Route
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.solution import Assignment
from stagecut.passes.partition.alike import Alike, alike, devices_on

#: What there is of each device.
_Costs = TypeVar("_Costs")


@dataclass(frozen=True, slots=True)
class Pool:
    """`table` has of each group of `alike` memories only the first one and its devices."""

    table: CostTable
    alike: tuple[Alike, ...]


def pool(table: CostTable) -> Pool | None:
    """None where no two devices are alike."""
    groups = alike(table)
    if not groups:
        return None
    gone = {memory for group in groups for memory in group[1:]}
    devices = {device.name for device in table.machine.devices if device.memory not in gone}
    return Pool(
        replace(
            table,
            machine=_machine(table.machine, groups, gone),
            values=tuple(_value(value, gone) for value in table.values),
            nodes=tuple(_node(node, devices) for node in table.nodes),
        ),
        groups,
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
        on = devices_on(machine)
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
    def left(costs: Mapping[str, _Costs]) -> Mapping[str, _Costs]:
        return {device: cost for device, cost in costs.items() if device in devices}

    return replace(
        node,
        run_s=left(node.run_s),
        run_j=left(node.run_j),
        run_spread=left(node.run_spread),
        resident_bytes=left(node.resident_bytes),
        uses={budget: left(used) for budget, used in node.uses.items()},
    )

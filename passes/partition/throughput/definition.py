"""What stages take, word for word as streams are defined: for the checker, nothing of the solver's.

Sets of nodes are sets, times are whole ticks, and everything is asked of the cost table anew.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from stagecut.compiler.ir.costs import ENERGY, CostTable, NodeCosts
from stagecut.compiler.ir.errors import CertificateError
from stagecut.compiler.ir.machine import HOST, Device, Route
from stagecut.compiler.ir.stream_certificate import (
    LATENCY,
    MEMORY,
    TOLERANCE,
    WEIGHTS,
    Limit,
    StreamScope,
)

#: Ticks are at most 2 to the power of minus this many of what everything takes.
_BITS = 40


@dataclass(frozen=True, slots=True)
class Kind:
    """Devices that compete for units; where they are `alike`, each is one unit, and the first
    stands for all."""

    devices: tuple[Device, ...]
    units: int
    alike: bool


@dataclass(frozen=True)
class Definition:
    """Of a table's streams, in ticks of `tick_s`."""

    table: CostTable
    tick_s: float
    scope: StreamScope

    @cached_property
    def ideals(self) -> list[frozenset[int]]:
        """The sets of nodes that may have run, in the order in which certificates list them."""
        return [*ideals_of(self.table, self.scope == "schedules with contiguous stages")]

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """In the order of their first devices: those with the same resource, and those that are
        interchangeable."""
        groups: list[list[Device]] = []
        for device in self.table.machine.devices:
            for group in groups:
                if group[0].keeps_busy == device.keeps_busy or self._alike(group[0], device):
                    group.append(device)
                    break
            else:
                groups.append([device])
        units = self.table.machine.units_of
        return tuple(
            Kind(tuple(group), len(group), alike=True)
            if group[0].keeps_busy != group[-1].keeps_busy
            else Kind(tuple(group), units[group[0].keeps_busy], alike=False)
            for group in groups
        )

    @cached_property
    def columns(self) -> list[tuple[int, Device]]:
        """Every device that has to be looked at, with the index of its kind."""
        return [
            (at, device)
            for at, kind in enumerate(self.kinds)
            for device in (kind.devices[:1] if kind.alike else kind.devices)
        ]

    @cached_property
    def total_s(self) -> float:
        """More than any stage takes: all nodes, a start, and every value there and back."""
        devices = self.table.machine.devices
        runs_s = (max(node.run_s.values()) for node in self.table.nodes)
        ways_s = (
            max(device.batch * (self.way_s(value.name, *way(device)) or 0.0) for device in devices)
            for value in self.table.values
            for way in (_there, _back)
        )
        starts_s = max(device.stage_s for device in devices)
        return math.fsum((*runs_s, starts_s, *ways_s))

    @property
    def coarsest_s(self) -> float:
        """The longest that a tick may be: what is rounded to it must not matter. Infinite where
        nothing takes any time."""
        return self.total_s * 2.0**-_BITS if self.total_s else math.inf

    @cached_property
    def run_ticks(self) -> list[dict[str, int]]:
        """Of each node, by device."""
        return [
            {name: round(run_s / self.tick_s) for name, run_s in node.run_s.items()}
            for node in self.table.nodes
        ]

    def _alike(self, one: Device, other: Device) -> bool:
        """Whether it makes no difference which of them runs a stage."""
        return (
            self._is_alone(one)
            and self._is_alone(other)
            and (one.memory == HOST) == (other.memory == HOST)
            and (one.basis, one.stage_s, one.batch) == (other.basis, other.stage_s, other.batch)
            and self.capacity(one) == self.capacity(other)
            and all(
                node.run_s.get(one.name) == node.run_s.get(other.name)
                and node.bytes_on(one.name) == node.bytes_on(other.name)
                and node.run_j.get(one.name) == node.run_j.get(other.name)
                and all(
                    node.uses.get(budget.name, {}).get(one.name, 0.0)
                    == node.uses.get(budget.name, {}).get(other.name, 0.0)
                    for budget in self.table.budgets
                )
                for node in self.table.nodes
            )
            and all(
                self._ways(value.name, one.memory) == self._ways(value.name, other.memory)
                for value in self.table.values
            )
        )

    def _is_alone(self, device: Device) -> bool:
        """Whether nothing shares its resource or its own memory, and one stage fills it."""
        others = [other for other in self.table.machine.devices if other.name != device.name]
        units = self.table.machine.units_of[device.keeps_busy]
        return device.cores <= units < 2 * device.cores and not any(
            other.keeps_busy == device.keeps_busy or other.memory == device.memory != HOST
            for other in others
        )

    def capacity(self, device: Device) -> int | None:
        return self.table.machine.memory_named[device.memory].capacity_bytes

    def way_s(self, value: str, source: str, target: str) -> float | None:
        """Seconds from memory to memory, None where there is no way."""
        if source == target:
            return 0.0
        cost = self.table.transfer(value, Route(source, target))
        return None if cost is None else cost.time_s

    def _ways(self, value: str, memory: str) -> list[tuple[float | None, float | None]]:
        """Seconds and joules from the host's memory into another, and back."""
        ways = ((HOST, memory), (memory, HOST))
        return [(self.way_s(value, *way), self.way_j(value, *way)) for way in ways]

    def way_j(self, value: str, source: str, target: str) -> float | None:
        """Joules from memory to memory, None where they are not known."""
        if source == target:
            return 0.0
        cost = self.table.transfer(value, Route(source, target))
        return None if cost is None else cost.energy_j

    def stage(self, start: frozenset[int], end: frozenset[int]) -> "StageBetween":
        return StageBetween(self, start, end)

    def allowed(self, limit: Limit) -> int:
        """In its unit."""
        if limit.name in {MEMORY, WEIGHTS}:
            return int(limit.most)
        return math.floor(limit.most * (1 + TOLERANCE) / limit.unit(self.tick_s))


@dataclass(frozen=True)
class StageBetween:
    """The nodes that run when those in `start` have, until those in `end` have."""

    of: Definition
    start: frozenset[int]
    end: frozenset[int]

    @cached_property
    def nodes(self) -> list[NodeCosts]:
        return [self.of.table.nodes[index] for index in sorted(self.end - self.start)]

    @cached_property
    def brought(self) -> set[str]:
        """The values that it reads and that lie with the host when it begins."""
        return {name for node in self.nodes for name in node.inputs if self._is_there(name)}

    @cached_property
    def taken(self) -> set[str]:
        """The values that it writes for later nodes, or as outputs."""
        table = self.of.table
        wanted = {end.name for end in table.outputs} | {
            name
            for index, node in enumerate(table.nodes)
            if index not in self.end
            for name in node.inputs
        }
        return {name for node in self.nodes for name in node.outputs if name in wanted}

    def _is_there(self, name: str) -> bool:
        table = self.of.table
        if name not in table.producer:
            return any(end.name == name for end in table.inputs)
        return any(name in table.nodes[index].outputs for index in self.start)

    def ticks(self, device: Device) -> int | None:
        """Of a call on the device; None where it cannot run the stage."""
        return self._calls[device.name]

    @cached_property
    def _calls(self) -> dict[str, int | None]:
        return {device.name: self._call(device) for _, device in self.of.columns}

    def _call(self, device: Device) -> int | None:
        tick_s, capacity = self.of.tick_s, self.of.capacity(device)
        total = round(device.stage_s / tick_s)
        for index in self.end - self.start:
            ticks = self.of.run_ticks[index].get(device.name)
            if ticks is None:
                return None
            total += ticks
        if device.memory == HOST:
            return total
        if capacity is not None and self.weights(device) > capacity:
            return None
        ways = [self.of.way_s(name, HOST, device.memory) for name in self.brought]
        ways += [self.of.way_s(name, device.memory, HOST) for name in self.taken]
        for way_s in ways:
            if way_s is None:
                return None
            total += device.batch * round(way_s / tick_s)
        return total

    def weights(self, device: Device) -> int:
        """Bytes in the device's memory."""
        return sum(node.bytes_on(device.name) for node in self.nodes)

    def amount(self, limit: Limit, device: Device, replicas: int, wait: int) -> int:
        """What the stage takes of a limit, in its unit, on a device that can run it."""
        if limit.name == LATENCY:
            return (self.ticks(device) or 0) + (device.batch - 1) * wait
        if limit.is_budget:
            unit = limit.unit(self.of.tick_s)
            return sum(round(used / unit) for used in self._used(limit.name, device))
        weights = self.weights(device) if device.memory == HOST else 0
        if limit.name == WEIGHTS:
            return weights
        table = self.of.table
        passed = sum(table.value(name).size_bytes for name in self.brought | self.taken)
        return weights + replicas * device.batch * passed

    def _used(self, budget: str, device: Device) -> Iterator[float]:
        """By each of its nodes and values, for one input."""
        if budget != ENERGY:
            yield from (node.uses.get(budget, {}).get(device.name, 0.0) for node in self.nodes)
            return
        yield from (node.run_j[device.name] / device.batch for node in self.nodes)
        ways = [(name, HOST, device.memory) for name in self.brought]
        ways += [(name, device.memory, HOST) for name in self.taken]
        yield from (self.of.way_j(*way) or 0.0 for way in ways)

    def replicas(self, kind: int, device: Device, period: Fraction) -> int | None:
        """The least that keep a period shorter than that; None where the device cannot."""
        ticks = self.ticks(device)
        if ticks is None:
            return None
        replicas = math.floor(ticks / (device.batch * period)) + 1
        return None if replicas > 1 and self.of.kinds[kind].alike else replicas

    def units(self, kind: int, device: Device, replicas: int) -> int:
        """Of its kind, that so many replicas take."""
        return replicas * (1 if self.of.kinds[kind].alike else device.cores)


def _there(device: Device) -> tuple[str, str]:
    return HOST, device.memory


def _back(device: Device) -> tuple[str, str]:
    return device.memory, HOST


def ideals_of(table: CostTable, whole: bool) -> Iterator[frozenset[int]]:
    """All sets of nodes that may have run, or those of the graph's own order."""
    return _all_ideals(table) if whole else _prefixes(table)


def _prefixes(table: CostTable) -> Iterator[frozenset[int]]:
    for count in range(len(table.nodes) + 1):
        yield frozenset(range(count))


def _all_ideals(table: CostTable) -> Iterator[frozenset[int]]:
    """By size, of equals by their masks."""
    index = {node.name: at for at, node in enumerate(table.nodes)}
    needs = [
        {index[table.producer[name]] for name in node.inputs if name in table.producer}
        for node in table.nodes
    ]
    level = {frozenset[int]()}
    while level:
        yield from sorted(level, key=lambda ideal: sum(1 << node for node in ideal))
        level = {
            ideal | {node}
            for ideal in level
            for node in range(len(needs))
            if node not in ideal and needs[node] <= ideal
        }


def refused(problem: str) -> CertificateError:
    return CertificateError(
        problem, where="certificate", fix="solve the table again: this proves nothing"
    )

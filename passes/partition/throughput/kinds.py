"""Devices that are as good as each other: which of them runs a stage does not matter.

    npu.0, npu.1, npu.2   each with a memory of its own, all with the same costs: 3 units of a kind
    cpu, gang             share the cores: one kind, with as many units as there are cores

A solver that told such devices apart would look at the same pipeline once for each order of them.
Those are interchangeable that differ in their names, and those of their own resource and memory,
only, and that have room for one stage each.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import HOST, Device, Route


@dataclass(frozen=True, slots=True)
class Kind:
    """`devices` that compete for `units`. Where they are `alike`, each is one unit, and a stage on
    the first stands for a stage on any that is free."""

    devices: tuple[Device, ...]
    units: int
    alike: bool

    @property
    def columns(self) -> tuple[Device, ...]:
        """Those that have to be told apart."""
        return self.devices[:1] if self.alike else self.devices


def kinds(table: CostTable) -> tuple[Kind, ...]:
    """In the order of their first devices."""
    units = table.machine.units_of
    found: dict[Hashable, list[Device]] = {}
    for device in table.machine.devices:
        found.setdefault(_likeness(table, device) or device.keeps_busy, []).append(device)
    return tuple(
        Kind(tuple(devices), len(devices), alike=True)
        if len(devices) > 1 and isinstance(key, tuple)
        else Kind(tuple(devices), units[devices[0].keeps_busy], alike=False)
        for key, devices in found.items()
    )


def _likeness(table: CostTable, device: Device) -> tuple[Hashable, ...] | None:
    """What is the same of interchangeable devices; None for one that has none."""
    machine = table.machine
    units = machine.units_of[device.keeps_busy]
    shares = [
        other
        for other in machine.devices
        if other.keeps_busy == device.keeps_busy
        or (other.memory == device.memory and device.memory != HOST)
    ]
    if len(shares) > 1 or 2 * device.cores <= units or device.cores > units:
        return None
    far = device.memory != HOST
    ways = (Route(HOST, device.memory), Route(device.memory, HOST)) if far else ()
    return (
        far,
        device.basis,
        device.stage_s,
        device.batch,
        machine.memory_named[device.memory].capacity_bytes,
        tuple(node.run_s.get(device.name) for node in table.nodes),
        tuple(node.bytes_on(device.name) for node in table.nodes),
        tuple(node.run_j.get(device.name) for node in table.nodes),
        tuple(
            node.uses.get(budget.name, {}).get(device.name, 0.0)
            for budget in table.budgets
            for node in table.nodes
        ),
        tuple(
            None
            if (cost := table.transfer(value.name, way)) is None
            else (cost.time_s, cost.energy_j)
            for value in table.values
            for way in ways
        ),
    )

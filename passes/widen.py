"""Let what was measured on the driver's host run on any host.

Before:                               After:
  host: cpu.parallel                    host: cpu.parallel             b: b.cpu.parallel
  node a: cpu.parallel 2 ms             node a: cpu.parallel 2 ms, b.cpu.parallel 2.1 ms
                                        value x: host>b 0.4 ms, b>host 0.3 ms

A node takes on another host what it takes here, times how much longer that host takes for the
probe: a model, so that its basis is "modelled". What a call of a host takes is what starting a
stage there takes; what values add to it is theirs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.machine import (
    HOST,
    LOCAL,
    Device,
    Host,
    Link,
    Machine,
    Memory,
    Resource,
)
from stagecut.compiler.ir.measured_machine import MeasuredHost, MeasuredMachine, on_host

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Widen:
    """`machine` is where nodes may run; `cpu` is the resource that its hosts have `cpus` of."""

    machine: MeasuredMachine
    cpu: str

    def __call__(self, table: CostTable) -> CostTable:
        """The table with the devices, memories and links of all hosts. Energies are left out: they
        are not known of other hosts. Raises UsageError where a device is not in the host's
        memory."""
        for device in table.machine.devices:
            if device.memory != HOST:
                raise UsageError(
                    f"{device.name} has a memory of its own, and no other host can reach that",
                    where="--machine",
                    fix="leave the device out: plans over hosts are made for those of the CPUs",
                )
        placed = [*self._placed(table.machine)]
        return replace(
            table,
            machine=self._widened(table.machine, placed),
            values=tuple(map(self._value, table.values)),
            nodes=tuple(_node(node, placed) for node in table.nodes),
        )

    def _placed(self, machine: Machine) -> "Iterator[_Placed]":
        for host in self.machine.others:
            for device in machine.devices:
                slowdown = self.machine.slowdown(host, device.name)
                if slowdown is not None:
                    yield _Placed(device, host, slowdown, self._cores(machine, device, host))

    def _cores(self, machine: Machine, device: Device, host: MeasuredHost) -> int:
        """All that there are there, of one that takes all that there are here."""
        if device.keeps_busy != self.cpu:
            return device.cores
        takes_all = device.cores == machine.units_of[self.cpu]
        return host.cpus if takes_all else min(device.cores, host.cpus)

    def _widened(self, machine: Machine, placed: "Iterable[_Placed]") -> Machine:
        hosts = self.machine.hosts
        return Machine(
            memories=tuple(Memory(host.memory, host.capacity_bytes, host.name) for host in hosts),
            devices=(*machine.devices, *(each.device for each in placed)),
            links=tuple(Link(*route) for route in self.machine.ways),
            hosts=(
                Host(LOCAL, hosts[0].address, loaded_factor=hosts[0].loaded_factor),
                *(
                    Host(each.name, each.address, each.handling_s, each.loaded_factor)
                    for each in self.machine.others
                ),
            ),
            resources=(*machine.resources, *self._resources(machine, placed)),
        )

    def _resources(self, machine: Machine, placed: "Iterable[_Placed]") -> Iterator[Resource]:
        """Those of the driver's host, on each other one."""
        used = {each.device.keeps_busy: each for each in placed}
        for name, each in used.items():
            here = each.here.keeps_busy
            units = each.host.cpus if here == self.cpu else machine.units_of[here]
            yield Resource(name, units, each.host.name)

    def _value(self, value: ValueCosts) -> ValueCosts:
        ways = self.machine.ways.items()
        transfer_s = {route: link.transfer_s(value.size_bytes) for route, link in ways}
        return ValueCosts(value.name, value.size_bytes, transfer_s)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A device of the driver's host on another one."""

    here: Device
    host: MeasuredHost
    slowdown: float
    cores: int

    @property
    def name(self) -> str:
        return on_host(self.host.name, self.here.name)

    @property
    def device(self) -> Device:
        return replace(
            self.here,
            name=self.name,
            memory=self.host.memory,
            basis="modelled",
            stage_s=self.here.stage_s * self.slowdown + self.host.call_s,
            resource=on_host(self.host.name, self.here.keeps_busy),
            cores=self.cores,
        )


def _node(node: NodeCosts, placed: Iterable[_Placed]) -> NodeCosts:
    able = [each for each in placed if each.here.name in node.run_s]
    there_s = {each.name: node.run_s[each.here.name] * each.slowdown for each in able}
    return replace(
        node,
        run_s={**node.run_s, **there_s},
        run_j={},
        resident_bytes=_copied(node.resident_bytes, able),
        uses={budget: _copied(used, able) for budget, used in node.uses.items()},
    )


def _copied(by_device: Mapping[str, T], placed: Iterable[_Placed]) -> dict[str, T]:
    """With the same for each device elsewhere as here."""
    there = {each.name: by_device[each.here.name] for each in placed if each.here.name in by_device}
    return {**by_device, **there}

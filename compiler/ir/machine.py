"""Where a model can run: hosts, resources, memories, devices living in them, and links between.

host local:  resource cpu:0-1    memory host <---- link ----> memory pim.hbm   resource pim.hbm
             device cpu.serial       |                              |
             device openvino.f32 ----+                              +---- device pim.hbm
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from stagecut.compiler.ir.amounts import Amount, Factor, Positive, Size
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.text import suggestion

#: How a number came to be: timed on this machine, or computed from a device's model.
Basis: TypeAlias = Literal["measured", "modelled"]

#: The memory in which a model's inputs arrive and its outputs are handed back.
HOST = "host"

#: So many are planned for: every value may go from each memory to each other one.
_MOST_MEMORIES, _MOST_DEVICES = 64, 1024

#: The machine on which the session itself runs.
LOCAL = "local"


def combined(bases: Iterable[Basis]) -> Basis:
    """The basis of a sum: modelled as soon as one of its parts is."""
    return "modelled" if "modelled" in bases else "measured"


class Route(NamedTuple):
    """From one memory straight to another, written `source>target`."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}>{self.target}"

    @classmethod
    def parse(cls, text: str) -> "Route":
        """`host>pim`; names of memories have no '>'."""
        source, _, target = text.partition(">")
        return cls(source, target)


@dataclass(frozen=True, slots=True)
class Host:
    """A machine with an address; none for the one on which the session runs. A call of it from
    there is `handling_s` of work at either end, whatever it runs. While the other hosts compute,
    its nodes take `loaded_factor` times as long as while they rest: hosts may share a machine."""

    name: str = LOCAL
    address: str = ""
    handling_s: Amount = 0.0
    loaded_factor: Factor = 1.0


@dataclass(frozen=True, slots=True)
class Resource:
    """What can be busy: `units` of it that are equal, such as the cores of a CPU.

    Devices that name the same resource compete for it, whatever engine they are.
    """

    name: str
    units: Positive = 1
    host: str = LOCAL


@dataclass(frozen=True, slots=True)
class Memory:
    """An address space; `capacity_bytes` is what it can hold in weights, None if it never fills."""

    name: str
    capacity_bytes: Size | None = None
    host: str = LOCAL


@dataclass(frozen=True, slots=True)
class Device:
    """An engine at a precision, living in one memory. `stage_s` is what starting a stage costs.

    `power_w` is what it is taken to draw while it runs: where time is measured, energy is not, so
    that a measured node's energy is its time at this power. The peaks are what the device can do
    at the most, where that is known: work, and bytes to and from its memory. `precision` is the
    number format in which it computes on floats ("f64", "f32", "bf16", "f16", "f8"), empty where
    that is not known. It keeps `cores` units of `resource` busy while it runs; a device without a
    resource has one of its own, under its own name. A call of it runs `batch` inputs together,
    which is what its costs are for; only streams (`objective throughput`) can fill more than one.
    """

    name: str
    memory: str
    basis: Basis = "measured"
    stage_s: Amount = 0.0
    description: str = ""
    power_w: Amount | None = None
    peak_flop_per_s: Amount | None = None
    peak_bytes_per_s: Amount | None = None
    precision: str = ""
    resource: str = ""
    cores: Positive = 1
    batch: Positive = 1

    @property
    def keeps_busy(self) -> str:
        """The name of the resource that it uses."""
        return self.resource or self.name

    @property
    def keeps_precision(self) -> bool:
        """Whether it computes on floats in no less than a model's own precision, as far as is
        known."""
        return self.precision in {"", "f32", "f64"}


@dataclass(frozen=True, slots=True)
class Link:
    """A one-way connection: `n` bytes take `latency_s + n / bytes_per_s`.

    Without a bandwidth it says only that the route exists and where its costs come from (`basis`):
    each value has a transfer cost of its own then. Two memories may have several links, of which a
    value takes the fastest for its size.
    """

    source: str
    target: str
    latency_s: Amount = 0.0
    bytes_per_s: Amount | None = None
    basis: Basis = "measured"

    @property
    def route(self) -> Route:
        return Route(self.source, self.target)

    def transfer_s(self, size_bytes: int) -> float | None:
        """Seconds; None where only the value's own costs say."""
        if self.bytes_per_s is None:
            return None
        return self.latency_s + size_bytes / self.bytes_per_s


@dataclass(frozen=True)
class Machine:
    """Everything that a plan can use; names are unique and whatever is named exists.

    Hosts and resources that are not listed are implied by those that name them. Raises
    DeviceError, whose `where` is the path of the entry: `devices[1].memory`.
    """

    memories: tuple[Memory, ...]
    devices: tuple[Device, ...]
    links: tuple[Link, ...] = ()
    hosts: tuple[Host, ...] = (Host(),)
    resources: tuple[Resource, ...] = ()

    def __post_init__(self) -> None:
        _refuse_too_many("memories", len(self.memories), _MOST_MEMORIES)
        _refuse_too_many("devices", len(self.devices), _MOST_DEVICES)
        known = [memory.name for memory in self.memories]
        _refuse_duplicates("memories", known)
        _refuse_duplicates("devices", [device.name for device in self.devices])
        _refuse_duplicates("hosts", [host.name for host in self.hosts])
        _refuse_duplicates("resources", [resource.name for resource in self.resources])
        for index, memory in enumerate(self.memories):
            if not memory.name or ">" in memory.name:
                raise DeviceError(
                    f"{memory.name!r} cannot name a memory",
                    where=f"memories[{index}].name",
                    fix="use a name that is not empty and has no '>', which stands in routes",
                )
        ends = [(f"devices[{i}].memory", device.memory) for i, device in enumerate(self.devices)]
        for i, link in enumerate(self.links):
            ends += [(f"links[{i}].source", link.source), (f"links[{i}].target", link.target)]
        for where, name in ends:
            if name not in self.memory_named:
                raise DeviceError(
                    f"the machine has no memory {name!r}",
                    where=where,
                    fix=f"the memories are {', '.join(known)}",
                )

    @cached_property
    def device_named(self) -> dict[str, Device]:
        return {device.name: device for device in self.devices}

    @cached_property
    def units_of(self) -> dict[str, int]:
        """The units of each resource that a device uses; one that is not listed has as many as the
        greediest device takes."""
        found: dict[str, int] = {}
        for device in self.devices:
            found[device.keeps_busy] = max(found.get(device.keeps_busy, 1), device.cores)
        listed = {each.name: each.units for each in self.resources}
        return {name: listed.get(name, units) for name, units in found.items()}

    @cached_property
    def memory_named(self) -> dict[str, Memory]:
        return {memory.name: memory for memory in self.memories}

    @cached_property
    def links_on(self) -> dict[Route, tuple[Link, ...]]:
        """The links of each route that has any."""
        found: dict[Route, list[Link]] = {}
        for link in self.links:
            found.setdefault(link.route, []).append(link)
        return {route: tuple(links) for route, links in found.items()}

    def device(self, name: str) -> Device:
        try:
            return self.device_named[name]
        except KeyError:
            listed = f"the devices are {', '.join(self.device_named)}"
            raise DeviceError(
                f"there is no device {name!r}", fix=suggestion(name, self.device_named, listed)
            ) from None

    def memory_of(self, device: str) -> str:
        """The memory in which a device lives, by name."""
        return self.device(device).memory

    def host_of(self, device: str) -> str:
        """The host that has a device, by name."""
        return self.memory_named[self.memory_of(device)].host

    def within(self, most_bytes: float) -> "Machine":
        """The same, where no memory holds more than so much in weights."""
        memories = tuple(
            replace(each, capacity_bytes=least_room(each.capacity_bytes, most_bytes))
            for each in self.memories
        )
        return replace(self, memories=memories)


def least_room(capacity_bytes: int | None, most_bytes: float) -> int:
    """Of two limits, of which the first may be none."""
    return int(most_bytes if capacity_bytes is None else min(capacity_bytes, most_bytes))


def _refuse_too_many(kind: str, count: int, most: int) -> None:
    if count > most:
        raise DeviceError(
            f"there are {count}, and plans are made for {most} at the most",
            where=kind,
            fix="leave out those that no part of the model could use",
        )


def _refuse_duplicates(kind: str, names: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            raise DeviceError(
                f"the name {name!r} is already taken by {kind}[{first[name]}]",
                where=f"{kind}[{index}]",
                fix="names are unique: rename one of the two",
            )

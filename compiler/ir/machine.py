"""Where a model can run: memories, devices living in them, and links between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.compiler.ir.errors import DeviceError

#: How a number came to be: timed on this machine, or computed from a device's model.
Basis: TypeAlias = Literal["measured", "modelled"]

#: The memory in which a model's inputs arrive and its outputs are handed back.
HOST = "host"


@dataclass(frozen=True, slots=True)
class Memory:
    """An address space; `capacity_bytes` is what it can hold in weights, None if it never fills."""

    name: str
    capacity_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A place to run, living in one memory. `stage_s` is what starting a stage on it costs.

    `power_w` is what it is taken to draw while it runs: where time is measured, energy is not, so
    that a measured node's energy is its time at this power. The peaks are what the device can do
    at the most, where that is known: work, and bytes to and from its memory.
    """

    name: str
    memory: str
    basis: Basis = "measured"
    stage_s: float = 0.0
    description: str = ""
    power_w: float | None = None
    peak_flop_per_s: float | None = None
    peak_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A one-way connection: moving `n` bytes takes `latency_s + n / bytes_per_s`.

    Two memories may have several, of which a value takes the fastest for its size.
    """

    source: str
    target: str
    latency_s: float
    bytes_per_s: float

    def move_s(self, size_bytes: int) -> float:
        return self.latency_s + size_bytes / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices + memories + links; names are unique and every device's memory exists.

    Raises DeviceError, whose `where` is the path of the entry: `devices[1].memory`.
    """

    memories: tuple[Memory, ...]
    devices: tuple[Device, ...]
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        known = [memory.name for memory in self.memories]
        _refuse_duplicates("memories", known)
        _refuse_duplicates("devices", [device.name for device in self.devices])
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
            if name not in known:
                raise DeviceError(
                    f"the machine has no memory {name!r}",
                    where=where,
                    fix=f"the memories are {', '.join(known)}",
                )

    def device(self, name: str) -> Device:
        for device in self.devices:
            if device.name == name:
                return device
        raise DeviceError(
            f"there is no device {name!r}",
            fix=f"the devices are {', '.join(device.name for device in self.devices)}",
        )


def _refuse_duplicates(kind: str, names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        first = names.index(name)
        if first != index:
            raise DeviceError(
                f"the name {name!r} is already taken by {kind}[{first}]",
                where=f"{kind}[{index}]",
                fix="names are unique: rename one of the two",
            )

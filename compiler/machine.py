"""Where a model can run: memories, devices living in them, and links between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.compiler.errors import DeviceError

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
    """A place to run, living in one memory. `stage_s` is what starting a stage on it costs."""

    name: str
    memory: str
    basis: Basis = "measured"
    stage_s: float = 0.0
    description: str = ""
    spec: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A one-way connection: moving `n` bytes takes `latency_s + n / bytes_per_s`."""

    source: str
    target: str
    latency_s: float
    bytes_per_s: float

    def move_s(self, size_bytes: int) -> float:
        return self.latency_s + size_bytes / self.bytes_per_s


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices + memories + links; names are unique and every device's memory exists."""

    memories: tuple[Memory, ...]
    devices: tuple[Device, ...]
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        _refuse_duplicates("memory", [memory.name for memory in self.memories])
        _refuse_duplicates("device", [device.name for device in self.devices])
        known = {memory.name for memory in self.memories}
        for device in self.devices:
            if device.memory not in known:
                raise DeviceError(
                    f"lives in memory {device.memory!r}, which the machine does not have",
                    where=f"device {device.name}",
                    fix=f"the memories are {', '.join(sorted(known))}",
                )
        for link in self.links:
            for end in (link.source, link.target):
                if end not in known:
                    raise DeviceError(
                        f"ends in memory {end!r}, which the machine does not have",
                        where=f"link {link.source}>{link.target}",
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
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DeviceError(f"two of the machine's entries are called {name!r}", where=kind)
        seen.add(name)

"""Several hosts as they were measured: what each has, what a call of it takes, and their links.

local  --- 1 KB 0.2 ms, 1 MB 9 ms --->  b   cpu.parallel: 2.1 ms for the probe, and 2.0 ms on local
       <-- 1 KB 0.2 ms, 1 MB 9 ms ----      a call of it: 1.6 ms there and back

The engine that joins hosts treats small and large values differently, so that no straight line says
what a value of any size takes: links are samples.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from stagecut.compiler.ir.amounts import Amount, Factor, Positive, Size
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import HOST, LOCAL, Route, least_room

#: It begins the names of devices in plans.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}")


@dataclass(frozen=True, slots=True)
class MeasuredDevice:
    """A real device of a host, by its name; `probe_s` is what the same small model takes on it on
    every host."""

    name: str
    probe_s: Amount


@dataclass(frozen=True, slots=True)
class MeasuredHost:
    """`capacity_bytes` is what it may hold in weights, None if that never fills. `call_s` is what a
    call of it from the driver's host takes there and back, with next to nothing to carry;
    `handling_s` is from one such call to the next, where several are on their way: so long each
    keeps the driver, or the host, from anything else. While all other hosts compute, its devices
    take `loaded_factor` times as long as while they rest."""

    name: str
    address: str
    cpu: str
    cpus: Positive
    devices: tuple[MeasuredDevice, ...]
    call_s: Amount = 0.0
    capacity_bytes: Size | None = None
    handling_s: Amount = 0.0
    loaded_factor: Factor = 1.0

    @property
    def memory(self) -> str:
        """The name of its memory in plans."""
        return HOST if self.name == LOCAL else self.name


@dataclass(frozen=True, slots=True)
class LinkSample:
    """What a value of `size_bytes` adds to a call: the median, and the quartiles around it."""

    size_bytes: Size
    time_s: Amount
    p25_s: Amount
    p75_s: Amount


@dataclass(frozen=True, slots=True)
class MeasuredLink:
    """One way from host to host; the samples' sizes ascend."""

    source: str
    target: str
    samples: tuple[LinkSample, ...]

    def transfer_s(self, size_bytes: int) -> float:
        """Seconds: as between the two samples on either side of the size, on a straight line; what
        is smaller than all takes as long as the smallest, what is larger goes on as the last two
        do, and takes no less than the largest."""
        sizes = [sample.size_bytes for sample in self.samples]
        at = bisect_right(sizes, size_bytes)
        if at == 0 or len(sizes) == 1:
            return self.samples[0].time_s
        low, high = self.samples[min(at, len(sizes) - 1) - 1], self.samples[min(at, len(sizes) - 1)]
        slope = (high.time_s - low.time_s) / (high.size_bytes - low.size_bytes)
        if at == len(sizes):
            return high.time_s + max(slope, 0.0) * (size_bytes - high.size_bytes)
        return low.time_s + slope * (size_bytes - low.size_bytes)


@dataclass(frozen=True)
class MeasuredMachine:
    """The first host is the driver's, where inputs start and outputs end, under the name `local`.

    Raises DeviceError, whose `where` is the path of the entry: `links[1].source`.
    """

    hosts: tuple[MeasuredHost, ...]
    links: tuple[MeasuredLink, ...]

    def __post_init__(self) -> None:
        names = [host.name for host in self.hosts]
        odd = [name for name in names if name == HOST or not _NAME.fullmatch(name)]
        if names[:1] != [LOCAL] or len(set(names)) < len(names) or odd:
            raise DeviceError(
                f"the hosts are called {', '.join(names) or 'nothing'}",
                where="hosts",
                fix=f"the first, where inputs start, is {LOCAL!r}; the others have names of their "
                f"own, and not {HOST!r}, of at most 32 letters, digits, dots and hyphens",
            )
        for index, link in enumerate(self.links):
            for end in ("source", "target"):
                if getattr(link, end) not in names:
                    raise DeviceError(
                        f"there is no host {getattr(link, end)!r}",
                        where=f"links[{index}].{end}",
                        fix=f"the hosts are {', '.join(names)}",
                    )
            _check_samples(link.samples, f"links[{index}].samples")
        for index, host in enumerate(self.hosts):
            for at, device in enumerate(host.devices):
                if device.probe_s <= 0:
                    raise DeviceError(
                        "nothing takes no time",
                        where=f"hosts[{index}].devices[{at}].probe_s",
                        fix="measure the hosts again with `stagecut hosts`",
                    )

    @property
    def others(self) -> tuple[MeasuredHost, ...]:
        """All but the driver's."""
        return self.hosts[1:]

    @cached_property
    def ways(self) -> Mapping[Route, MeasuredLink]:
        """The link of each route between memories that has one."""
        memory = {host.name: host.memory for host in self.hosts}
        return {Route(memory[each.source], memory[each.target]): each for each in self.links}

    @cached_property
    def probes_s(self) -> dict[str, float]:
        """What the probe takes on the driver's host, by device."""
        return {device.name: device.probe_s for device in self.hosts[0].devices}

    def within(self, most_bytes: float | None) -> "MeasuredMachine":
        """The same, where no host holds more than so much in weights."""
        if most_bytes is None:
            return self
        hosts = tuple(
            replace(host, capacity_bytes=least_room(host.capacity_bytes, most_bytes))
            for host in self.hosts
        )
        return replace(self, hosts=hosts)

    def slowdown(self, host: MeasuredHost, device: str) -> float | None:
        """How many times as long as on the driver's host the device takes there; None where one of
        the two does not have it."""
        own_s = self.probes_s.get(device)
        there_s = next((each.probe_s for each in host.devices if each.name == device), None)
        return None if own_s is None or there_s is None else there_s / own_s


def on_host(host: str, device: str) -> str:
    """The name in plans of a device of another host."""
    return f"{host}.{device}"


def _check_samples(samples: Sequence[LinkSample], where: str) -> None:
    sizes = [sample.size_bytes for sample in samples]
    if not sizes or sizes != sorted(set(sizes)):
        raise DeviceError(
            f"the sizes are {sizes or 'missing'}", where=where, fix="list each once, ascending"
        )

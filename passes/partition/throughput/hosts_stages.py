"""What a stage takes on each set of hosts: its period, and what an input takes in it.

The period is the longest of what its hosts compute by their rates, of what they read and hand on,
each value once and by the best way, and of the driver's calls: no stage in a stream takes less with
these devices of its hosts. What none takes less than with any of their devices is told beside it.
Nodes take what they do while several hosts work.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal, TypeAlias

import numpy as np

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.hosts_stream import LEAST_S
from stagecut.compiler.ir.machine import LOCAL, Device, Host, Route
from stagecut.compiler.ir.solution import ROUNDING
from stagecut.passes.partition.exact.arrays import producers, reads
from stagecut.passes.partition.exact.factor_graph import Bools, Floats, Ints
from stagecut.passes.partition.throughput.lattice import Lattice, members

#: Of a second: sums of up to an hour are whole numbers of them.
_TICK_S = 2.0**-50

#: What all nodes may come to, so that their ticks can be added up.
MOST_S = 2.0**12

#: Whatever is larger counts as a PiB, so that sums of bytes stay exact.
_MOST_BYTES = 1 << 50

#: So many ways to choose the devices of hosts are tried.
_MOST_WAYS = 256

#: What a host works with: the device that runs the "most" a second, or the one that is the
#: "quickest" with an input; or "any", that which runs the most unless others are better together.
Preference: TypeAlias = Literal["most", "quickest", "any"]


@dataclass(frozen=True)
class HostsStages:
    """Those of a lattice: from an ideal below to an ideal. Sets of hosts are bit masks. Of its able
    devices, a host has the one that it prefers, of equals the first."""

    table: CostTable
    lattice: Lattice
    prefers: Preference = "most"
    below_s: float = np.inf

    @cached_property
    def hosts(self) -> Sequence[str]:
        return [host.name for host in self._with_memories]

    @cached_property
    def handling_s(self) -> Floats:
        hosts = self._with_memories
        return np.array([0.0 if each.name == LOCAL else each.handling_s for each in hosts])

    @cached_property
    def _loaded_factor(self) -> dict[str, float]:
        """By device."""
        pairs = zip(self._with_memories, self.devices, strict=True)
        return {each.name: host.loaded_factor for host, devices in pairs for each in devices}

    @cached_property
    def _with_memories(self) -> Sequence[Host]:
        """Nothing runs on others, which a table may name as well."""
        machine = self.table.machine
        used = {memory.host for memory in machine.memories}
        return [host for host in machine.hosts if host.name in used]

    @cached_property
    def devices(self) -> Sequence[Sequence[Device]]:
        """Of each host."""
        machine = self.table.machine
        return [
            [each for each in machine.devices if machine.host_of(each.name) == host]
            for host in self.hosts
        ]

    @property
    def devices_to_choose_from(self) -> bool:
        """Whether a host has several."""
        return any(len(each) > 1 for each in self.devices)

    def periods_s(self, ideal: int) -> Floats:
        """(B, 2^H): the least period of the stage from each ideal below to `ideal`, by hosts."""
        return self.both_s(ideal)[0]

    def least_periods_s(self, ideal: int) -> Floats:
        """(B, 2^H): no less, whatever the devices of the hosts: a host that could do more than its
        links take may do less. The same where no other devices could be faster."""
        return self.both_s(ideal)[1]

    def both_s(self, ideal: int) -> tuple[Floats, Floats]:
        """As `periods_s` and `least_periods_s`. Where another device than the usual might bring a
        stage below `below_s`, every way to choose them is tried, unless there are too many."""
        on_devices, alone_s = self._on_devices(ideal)
        ends_s = self._ends_s(ideal)
        rates = _of_chosen(on_devices, self._chosen(on_devices, alone_s))
        found = np.full((len(rates), 1 << len(self.hosts)), np.inf)
        least = found.copy()
        for mask in range(1, found.shape[1]):
            inside = members(mask)
            own, its_ends_s = rates[:, inside], ends_s[:, :, inside]
            found[:, mask] = self._together_s(own, its_ends_s, inside)
            least[:, mask] = found[:, mask]
            if math.prod(len(self.devices[host]) for host in inside) == 1:
                continue
            able = np.isfinite(found[:, mask])
            rate = self._most_rate(own[able], its_ends_s[:, able], inside)
            least[able, mask] = np.minimum(found[able, mask], 1 / rate)
            ways = self._ways(inside)
            most_s = np.minimum(self.below_s, found[:, mask]) * (1 - ROUNDING)
            rows = able & (least[:, mask] < most_s)
            if ways and rows.any():
                tried_s = self._of_ways_s(
                    ways, on_devices[rows][:, inside], its_ends_s[:, rows], inside
                )
                found[rows, mask] = np.minimum(found[rows, mask], tried_s.min(axis=0))
                least[rows, mask] = found[rows, mask]
        return found, least

    def devices_for(self, ideal: int, row: int, mask: int) -> Sequence[Device]:
        """Of each host of the mask: those with which the stage from the `row`-th ideal below has
        its least period."""
        on_devices, alone_s = self._on_devices(ideal)
        inside = members(mask)
        chosen = tuple(self._chosen(on_devices, alone_s)[row, inside])
        ways = [chosen, *self._ways(inside)]
        ends_s = self._ends_s(ideal)[:, row : row + 1, inside]
        periods_s = self._of_ways_s(ways, on_devices[row : row + 1, inside], ends_s, inside)[:, 0]
        chosen = ways[int(np.flatnonzero(periods_s <= periods_s.min() * (1 + ROUNDING))[0])]
        return [self.devices[host][at] for host, at in zip(inside, chosen, strict=True)]

    def _ways(self, inside: Sequence[int]) -> Sequence[tuple[int, ...]]:
        """To choose a device for each of these hosts; none where that is settled, or there are too
        many."""
        choices = [range(len(self.devices[host])) for host in inside]
        if self.prefers != "any" or math.prod(map(len, choices)) > _MOST_WAYS:
            return ()
        return [*product(*choices)]

    def _of_ways_s(
        self,
        ways: Sequence[tuple[int, ...]],
        on_devices: Floats,
        ends_s: Floats,
        inside: Sequence[int],
    ) -> Floats:
        """(W, R): the period with the devices of each way; of `on_devices` (R, S, D)."""
        each = np.arange(len(inside))
        return np.stack(
            [self._together_s(on_devices[:, each, list(way)], ends_s, inside) for way in ways]
        )

    def _together_s(self, rates: Floats, ends_s: Floats, inside: Sequence[int]) -> Floats:
        able: Bools = np.all(rates > 0, axis=1)
        rates = np.where(able[:, None], rates, 1.0)
        if inside[0] == 0:
            rates = self._with_driver(rates, inside)
        total = rates.sum(axis=1)
        total = np.where(total > 0, total, 1e-300)
        shares = rates / total[:, None]
        handled_s: Floats = shares @ self.handling_s[inside]
        own_s, drivers_s = (ends_s * shares)[:2], (ends_s * shares)[2:].sum(axis=2)
        least_s = (1 / total, handled_s, own_s.max(axis=(0, 2)), drivers_s.max(axis=0))
        return np.where(able, np.maximum.reduce(least_s), np.inf)

    def _most_rate(self, rates: Floats, ends_s: Floats, inside: Sequence[int]) -> Floats:
        """(B,): inputs a second that hosts have time for, each by itself, and as many as go through
        the driver at the least. Its own host has the less time, the more calls there are."""
        here = rates[:, 0] if inside[0] == 0 else np.zeros(len(rates))
        far = [at for at, host in enumerate(inside) if host != 0]
        handling_s = self.handling_s[[inside[at] for at in far]]
        most = np.minimum(rates[:, far], 1 / np.maximum(ends_s[:2, :, far].max(axis=0), LEAST_S))
        left = np.maximum(0.0, 1 - here[:, None] * handling_s / self._units_here)
        most_rate = np.maximum(here + (most * left).sum(axis=1), most.sum(axis=1))
        drivers_s = [handling_s + np.zeros(most.shape), *ends_s[2:, :, far]]
        least_s = np.max([each.min(axis=1, initial=np.inf) for each in drivers_s], axis=0)
        found: Floats = np.minimum(most_rate, here + 1 / np.maximum(least_s, LEAST_S))
        return np.maximum(found, LEAST_S)

    @cached_property
    def _units_here(self) -> int:
        return max(self.table.machine.units_of[each.keeps_busy] for each in self.devices[0])

    def _with_driver(self, rates: Floats, inside: Sequence[int]) -> Floats:
        """The driver's host has the less time for the stage, the more calls there are of others."""
        rates = rates.copy()
        busy = rates[:, 1:] @ self.handling_s[[*inside[1:]]] / self._units_here
        rates[:, 0] *= np.maximum(0.0, 1 - busy)
        return rates

    def _chosen(self, rates: Floats, alone_s: Floats) -> Ints:
        """(B, H): the device of each host."""
        chosen: Ints = (
            alone_s.argmin(axis=2) if self.prefers == "quickest" else rates.argmax(axis=2)
        )
        return chosen

    def _on_devices(self, ideal: int) -> tuple[Floats, Floats]:
        """(B, H, D), twice: inputs a second on each device of each host, and what one takes there
        with its transfers; 0 and infinite where there is none that can run the stage."""
        most = max(map(len, self.devices))
        rates = np.zeros((len(self.lattice.below[ideal]), len(self.hosts), most))
        alone_s = np.full(rates.shape, np.inf)
        ends_s = self._ends_s(ideal)
        for host, devices in enumerate(self.devices):
            for at, device in enumerate(devices):
                replicas = self._replicas(ideal, device)
                rates[:, host, at] = replicas / self._taken_s(ideal, host, device)
                run_s = self._run_s(ideal, device) + device.stage_s
                alone_s[:, host, at] = np.where(replicas > 0, run_s, np.inf)
        return rates, alone_s + (ends_s[0] + ends_s[3])[:, :, None]

    def _taken_s(self, ideal: int, host: int, device: Device) -> Floats:
        """(B,): a call, and what handling it takes."""
        taken_s: Floats = self._run_s(ideal, device) + self.handling_s[host]
        return np.maximum(taken_s, LEAST_S)

    def _run_s(self, ideal: int, device: Device) -> Floats:
        """(B,)"""
        sums = self._run[device.name]
        ticks = sums[ideal] - sums[self.lattice.below[ideal]]
        run_s: Floats = ticks * _TICK_S * self._loaded_factor[device.name]
        return run_s

    def latencies_s(self, ideal: int) -> Floats:
        """(B, 2^H): what an input takes in the stage, with what it has from other hosts and hands
        to the driver, by the shares of its hosts."""
        rates, alone_s = self._on_devices(ideal)
        chosen = self._chosen(rates, alone_s)
        rates, alone_s = _of_chosen(rates, chosen), _of_chosen(alone_s, chosen)
        found = np.full((len(rates), 1 << len(self.hosts)), np.inf)
        for mask in range(1, found.shape[1]):
            inside = members(mask)
            found[:, mask] = _weighed(rates[:, inside], alone_s[:, inside])
        return found

    def least_latencies_s(self, ideal: int) -> Floats:
        """(B, 2^H): no less, whatever the devices of the hosts. The driver's host may have a
        smaller share than it would have without the calls of others: this is with whatever share
        it has."""
        rates, alone_s = self._on_devices(ideal)
        found = np.full((len(rates), 1 << len(self.hosts)), np.inf)
        for mask in range(1, found.shape[1]):
            inside = members(mask)
            found[:, mask] = _least_weighed(rates[:, inside], alone_s[:, inside])
            if inside[0] == 0 and inside[1:]:
                found[:, mask] = np.minimum(found[:, mask], found[:, mask ^ 1])
        return found

    def _replicas(self, ideal: int, device: Device) -> Ints:
        """(B,): 0 where it cannot run the stage."""
        below = self.lattice.below[ideal]
        machine = self.table.machine
        most = machine.units_of[device.keeps_busy] // device.cores
        able = self._unable[device.name][ideal] == self._unable[device.name][below]
        weights = self._weights[device.name][ideal] - self._weights[device.name][below]
        capacity = machine.memory_named[device.memory].capacity_bytes
        if capacity is None:
            return np.where(able, most, 0)
        fits = np.where(weights > 0, capacity // np.maximum(weights, 1), most)
        return np.where(able, np.minimum(fits, most), 0)

    def _sums(self, of: "dict[str, list[int]]") -> dict[str, Ints]:
        return {name: self.lattice.sums(np.array(rows, np.int64)) for name, rows in of.items()}

    @cached_property
    def _run(self) -> dict[str, Ints]:
        """By device, (I,): ticks of the nodes of each ideal."""
        nodes, devices = self.table.nodes, self.table.machine.devices
        return self._sums(
            {
                each.name: [round(node.run_s.get(each.name, 0.0) / _TICK_S) for node in nodes]
                for each in devices
            }
        )

    @cached_property
    def _unable(self) -> dict[str, Ints]:
        nodes, devices = self.table.nodes, self.table.machine.devices
        return self._sums(
            {each.name: [int(each.name not in node.run_s) for node in nodes] for each in devices}
        )

    @cached_property
    def _weights(self) -> dict[str, Ints]:
        nodes, devices = self.table.nodes, self.table.machine.devices
        return self._sums(
            {
                each.name: [min(node.bytes_on(each.name), _MOST_BYTES) for node in nodes]
                for each in devices
            }
        )

    def _ends_s(self, ideal: int) -> Floats:
        """(4, B, H): what the stage, were it on a host alone, takes into that host, and out of it;
        and of these what comes from the driver's, and goes there. Nothing for the driver's host."""
        below = self.lattice.below[ideal]
        readers, written = self._readers, self._written
        brought = written[below] & (readers[ideal] > readers[below])
        new = written[ideal] & ~written[below]
        taken = new & (self._wanted | (readers[-1] > readers[ideal]))
        into_s, out_s = self._best_s
        found = np.stack(
            [
                brought.astype(float) @ into_s,
                taken.astype(float) @ out_s,
                (brought & self._inputs).astype(float) @ into_s,
                (new & self._wanted).astype(float) @ out_s,
            ]
        )
        found[:, :, 0] = 0.0
        return found

    @cached_property
    def _best_s(self) -> tuple[Floats, Floats]:
        """(V, H), twice: the fastest way of each value into a host, and out of it."""
        memory = {each.host: each.name for each in self.table.machine.memories}
        names = [memory[host] for host in self.hosts]
        way_s = np.full((len(self.table.values), len(names), len(names)), np.inf)
        for at, value in enumerate(self.table.values):
            for start, source in enumerate(names):
                for end, target in enumerate(names):
                    cost = self.table.transfer(value.name, Route(source, target))
                    if start != end and cost is not None:
                        way_s[at, start, end] = cost.time_s
        into, out = way_s.min(axis=1), way_s.min(axis=2)
        into[np.isinf(into)] = out[np.isinf(out)] = 0.0
        return into, out

    @cached_property
    def _readers(self) -> Ints:
        """(I, V): how many nodes of each ideal read each value."""
        read = np.zeros((len(self.table.nodes), len(self.table.values)), np.int64)
        values, nodes = reads(self.table)
        read[nodes, values] = 1
        return self.lattice.sums(read)

    @cached_property
    def _written(self) -> Bools:
        """(I, V): whether the value is there when the nodes of the ideal have run."""
        writer = producers(self.table)
        writes = np.zeros((len(self.table.nodes), len(writer)), np.int64)
        values = np.flatnonzero((writer >= 0) & (writer < len(self.table.nodes)))
        writes[writer[values], values] = 1
        written: Bools = (self.lattice.sums(writes) > 0) | self._inputs
        return written

    @cached_property
    def _inputs(self) -> Bools:
        names = {end.name for end in self.table.inputs}
        return np.array([value.name in names for value in self.table.values], np.bool_)

    @cached_property
    def _wanted(self) -> Bools:
        names = {end.name for end in self.table.outputs}
        return np.array([value.name in names for value in self.table.values], np.bool_)


def _of_chosen(of_devices: Floats, chosen: Ints) -> Floats:
    """(B, H) of (B, H, D)"""
    found: Floats = np.take_along_axis(of_devices, chosen[:, :, None], axis=2)[:, :, 0]
    return found


def _weighed(rates: Floats, times_s: Floats) -> Floats:
    """(B,) of (B, S): by rates, infinite where one of the hosts cannot run the stage."""
    able = np.all(rates > 0, axis=1)[:, None]
    own = np.where(able, rates, 1.0)
    weighed: Floats = (own * np.where(able, times_s, np.inf)).sum(axis=1) / own.sum(axis=1)
    return weighed


def _least_weighed(rates: Floats, times_s: Floats) -> Floats:
    """(B,) of (B, S, D): the least with any device of each host. Of quotients of sums (Dinkelbach,
    1967): against what is found so far, each host has the device with which the sum of what an
    input takes less is the largest, until nothing is less."""
    able = rates > 0
    found, chosen = np.full(len(rates), np.inf), times_s.argmin(axis=2)
    while True:
        weighed = _weighed(_of_chosen(rates, chosen), _of_chosen(times_s, chosen))
        if not (weighed < found).any():
            return found
        found = np.minimum(found, weighed)
        less_than_s = np.where(np.isinf(found), 0.0, found)[:, None, None]
        more_s = np.where(able, times_s, 0.0) - less_than_s
        chosen = np.where(able, rates * more_s, np.inf).argmin(axis=2)

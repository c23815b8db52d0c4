"""The fastest stream over several hosts: which nodes are a stage, and which hosts work for it.

    F({}, any hosts) = 0
    F(J, H) = min over ideals I < J and hosts S of H of  max(F(I, H - S), stage(I, J, S))

F is the least period with which the nodes of an ideal are run by some hosts, each of which works
for one stage with all of its cores (ir/hosts_stream.py). `stage` is what the stage itself takes and
what it reads and hands on, each value once and by the best way: no stream in scope has a shorter
period, and the account of what is found says how much longer its own is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.hosts_stream import (
    LEAST_S,
    HostsAccount,
    HostsStream,
    Place,
    hosts_account,
    most_replicas,
)
from stagecut.compiler.ir.machine import LOCAL, Device, Route
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.solution import Certificate, Scope, meets
from stagecut.compiler.ir.transfers import scheduled
from stagecut.compiler.ir.units import at_most
from stagecut.passes.partition.exact.arrays import producers, reads
from stagecut.passes.partition.exact.factor_graph import Bools, Floats, Ints
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.lattice import Lattice, members

#: Sets of hosts are looked at, and each with all of its own subsets.
MOST_HOSTS = 6
#: Of a second: sums of up to an hour are whole numbers of them.
_TICK_S = 2.0**-50
#: Of the lattice: pairs are looked at once for each set of hosts.
_MOST_IDEALS, _MOST_PAIRS = 1_000, 150_000


@dataclass(frozen=True, slots=True)
class HostsSolution:
    """`account` is the independent evaluator's."""

    stream: HostsStream
    account: HostsAccount
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class ThroughputOverHosts:
    """Of streams with the same period: longer stages, then earlier hosts."""

    def __call__(self, table: CostTable) -> HostsSolution:
        """Raises UnplaceableError where the hosts have no room for any stream."""
        count = len(table.machine.hosts)
        if count > MOST_HOSTS:
            raise UnplaceableError(
                f"there are {count} hosts, and streams are made for {MOST_HOSTS} at the most",
                where="machine",
                fix="leave some out of machine.json",
            )
        lattice = Lattice.of(Precedence.of(table), _MOST_IDEALS, _MOST_PAIRS)
        return _Search(table, lattice).solution()


@dataclass(frozen=True)
class _Search:
    table: CostTable
    lattice: Lattice

    def solution(self) -> HostsSolution:
        parts = self._parts()
        if not parts:
            raise UnplaceableError(
                "no stream fits: the hosts have no room for all of its weights",
                where="machine",
                fix="raise capacity_bytes in machine.json, or add a host",
            )
        stream = self._stream(parts)
        account = hosts_account(self.table, stream)
        bound_s = min(float(self._least[-1, -1]), account.period_s)
        return HostsSolution(stream, account, self._certificate(account.period_s, bound_s))

    def _certificate(self, period_s: float, bound_s: float) -> Certificate:
        exact = meets(period_s, bound_s)
        scope: Scope = (
            "schedules with contiguous stages"
            if self.lattice.complete
            else "contiguous stages in the graph's order"
        )
        stages = "contiguous stages" if self.lattice.complete else "stretches of the graph's order"
        what = f"stream of {stages}, each host working for one of them, is faster"
        gap = 0.0 if exact else 1 - bound_s / period_s
        return Certificate(
            "throughput over hosts",
            period_s,
            bound_s,
            exact=exact,
            scope=scope,
            proof="least periods of the sets of nodes that may have run, by sets of hosts",
            statement=f"optimal: no {what}" if exact else f"no {what} by more than {at_most(gap)}",
        )

    @cached_property
    def _hosts(self) -> Sequence[str]:
        return [host.name for host in self.table.machine.hosts]

    @cached_property
    def _handling_s(self) -> Floats:
        hosts = self.table.machine.hosts
        return np.array([0.0 if each.name == LOCAL else each.handling_s for each in hosts])

    @cached_property
    def _devices(self) -> Sequence[Sequence[Device]]:
        """Of each host."""
        machine = self.table.machine
        return [
            [each for each in machine.devices if machine.memory_named[each.memory].host == host]
            for host in self._hosts
        ]

    @cached_property
    def _least(self) -> Floats:
        """(I, 2^H): F, by the bit mask of the hosts."""
        masks = 1 << len(self._hosts)
        least = np.full((len(self.lattice.ideals), masks), np.inf)
        least[0] = 0.0
        for ideal in range(1, len(self.lattice.ideals)):
            stage_s = self._stages_s(ideal)
            below = self.lattice.below[ideal]
            for mask in range(1, masks):
                for some in _subsets(mask):
                    reached = np.maximum(least[below, mask ^ some], stage_s[:, some])
                    least[ideal, mask] = min(least[ideal, mask], reached.min())
        return least

    def _parts(self) -> list[tuple[int, int, int]]:
        """(from ideal, to ideal, hosts) of each stage; nothing where there is no stream."""
        ideal, mask = len(self.lattice.ideals) - 1, (1 << len(self._hosts)) - 1
        found: list[tuple[int, int, int]] = []
        goal_s = self._least[ideal, mask]
        if np.isinf(goal_s):
            return []
        while ideal:
            stage_s, below = self._stages_s(ideal), self.lattice.below[ideal]
            row, some = min(
                (int(rows[0]), some)
                for some in _subsets(mask)
                if len(rows := np.flatnonzero(self._keep(ideal, mask, some, stage_s) <= goal_s))
            )
            found.append((int(below[row]), ideal, some))
            ideal, mask = int(below[row]), mask ^ some
        return found[::-1]

    def _keep(self, ideal: int, mask: int, some: int, stage_s: Floats) -> Floats:
        before: Floats = self._least[self.lattice.below[ideal], mask ^ some]
        kept: Floats = np.maximum(before, stage_s[:, some])
        return kept

    def _stages_s(self, ideal: int) -> Floats:
        """(B, 2^H): the least period of the stage from each ideal below to `ideal`, by hosts."""
        rates = self._rates(ideal)
        ends_s = self._ends_s(ideal)
        found = np.full((len(rates), 1 << len(self._hosts)), np.inf)
        for mask in range(1, found.shape[1]):
            inside = members(mask)
            found[:, mask] = self._together_s(rates[:, inside], ends_s[:, :, inside], inside)
        return found

    def _together_s(self, rates: Floats, ends_s: Floats, inside: Sequence[int]) -> Floats:
        able: Bools = np.all(rates > 0, axis=1)
        rates = np.where(able[:, None], rates, 1.0)
        if inside[0] == 0:
            rates = self._with_driver(rates, inside)
        total = rates.sum(axis=1)
        total = np.where(total > 0, total, 1e-300)
        shares = rates / total[:, None]
        handled_s: Floats = shares @ self._handling_s[inside]
        own_s, drivers_s = (ends_s * shares)[:2], (ends_s * shares)[2:].sum(axis=2)
        least_s = (1 / total, handled_s, own_s.max(axis=(0, 2)), drivers_s.max(axis=0))
        return np.where(able, np.maximum.reduce(least_s), np.inf)

    def _with_driver(self, rates: Floats, inside: Sequence[int]) -> Floats:
        """The driver's host has the less time for the stage, the more calls there are of others."""
        units = max(self.table.machine.units_of[each.keeps_busy] for each in self._devices[0])
        rates = rates.copy()
        busy = rates[:, 1:] @ self._handling_s[[*inside[1:]]] / units
        rates[:, 0] *= np.maximum(0.0, 1 - busy)
        return rates

    def _rates(self, ideal: int) -> Floats:
        """(B, H): inputs a second, 0 where a host cannot run the stage."""
        found = np.zeros((len(self.lattice.below[ideal]), len(self._hosts)))
        for host, devices in enumerate(self._devices):
            for device in devices:
                rates = self._replicas(ideal, device) / self._taken_s(ideal, host, device)
                found[:, host] = np.maximum(found[:, host], rates)
        return found

    def _taken_s(self, ideal: int, host: int, device: Device) -> Floats:
        """(B,): a call, and what handling it takes."""
        sums = self._run[device.name]
        ticks = sums[ideal] - sums[self.lattice.below[ideal]]
        taken_s: Floats = ticks * _TICK_S + self._handling_s[host]
        return np.maximum(taken_s, LEAST_S)

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
            {each.name: [node.bytes_on(each.name) for node in nodes] for each in devices}
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
        names = [memory[host] for host in self._hosts]
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

    def _stream(self, parts: Sequence[tuple[int, int, int]]) -> HostsStream:
        nodes, ideals = self.table.nodes, self.lattice.ideals
        stages, places = [], []
        for start, end, mask in parts:
            inside = [nodes[at].name for at in members(ideals[end] & ~ideals[start])]
            found = [self._place(inside, host) for host in members(mask)]
            stages.append(Stage(found[0].device, tuple(inside)))
            places.append(tuple(found))
        return HostsStream(scheduled(self.table, stages), tuple(places))

    def _place(self, inside: Sequence[str], host: int) -> Place:
        """On the device of the host that runs the most a second, of equals the first."""
        table = self.table

        def rate(place: Place) -> float:
            run_s = sum(table.node_named[name].run_s[place.device] for name in inside)
            return place.replicas / max(run_s + float(self._handling_s[host]), LEAST_S)

        found = []
        for device in self._devices[host]:
            if all(device.name in table.node_named[name].run_s for name in inside):
                weights = sum(table.node_named[name].bytes_on(device.name) for name in inside)
                if replicas := most_replicas(table, device, weights):
                    found.append(Place(device.name, replicas))
        return max(found, key=rate)


def _subsets(mask: int) -> Iterator[int]:
    """All that are not empty, the smallest number first."""
    some = 0
    while some != mask:
        some = (some - mask) & mask
        yield some

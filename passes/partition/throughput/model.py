"""The table in whole numbers: what a call of any stage takes on any device, in ticks.

A tick is a power of two of a second, so small that the costs of a graph lose nothing that matters
(2^-42 of their sum) and so large that their products stay exact in 64 bits. All that the solver
and the checker say is exact about the table in ticks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import HOST, Device, Route
from stagecut.passes.partition.exact.arrays import producers, reads
from stagecut.passes.partition.exact.factor_graph import Bools, Floats, Ints
from stagecut.passes.partition.throughput.crossing import Open, Sums
from stagecut.passes.partition.throughput.kinds import kinds
from stagecut.passes.partition.throughput.lattice import Lattice
from stagecut.passes.partition.throughput.uses import UsesByBudget

#: The costs of the whole graph come to at most 2 to the power of this many ticks.
_BITS = 42

#: Whatever is larger counts as so many bytes, a PiB, so that sums of them stay exact.
MOST_BYTES = 1 << 50

_NO_END = 1 << 62

#: Stands for more units than any machine has.
NEVER = 1 << 40

#: So many times of calls are kept between probes.
_MOST_KEPT = 1 << 24


@dataclass(frozen=True)
class StreamCosts:
    """By device D, node N, and value V; times in ticks of `tick_s`.

    `devices` (D,) has for each column the devices that it stands for: one, or several that are
    interchangeable. `run` (N, D) is 0 where `able` (N, D) is not. `group` (D,) is the index of the
    kind that a device belongs to (kinds.py), of which `units` (G,) says how many units there are.
    A stage has `most` (D,) replicas at the most, where it is not the units that limit them.
    `bring` and `take` (V, D) are what a value costs on its way from the host's memory into the
    device's, and back; `far` (D,) says that there is such a way at all. `weights` (N, D) are bytes
    in the device's memory, and `room` (D,) is how many of them one stage may have: each memory
    other than the host's has one stage. `size` (V,) are bytes. `writer` (V,) is a node, N for an
    input that lies with the host, -1 for what is free; `reads` (V, N) says who reads it, `wanted`
    (V,) that it is an output. `uses` has what an input uses of each budget, and of energy.
    """

    tick_s: float
    devices: tuple[tuple[str, ...], ...]
    run: Ints
    able: Bools
    start: Ints
    batch: Ints
    cores: Ints
    group: Ints
    units: Ints
    most: Ints
    bring: Ints
    take: Ints
    no_way: Bools
    far: Bools
    weights: Ints
    room: Ints
    size: Ints
    writer: Ints
    reads: Bools
    wanted: Bools
    uses: UsesByBudget

    @classmethod
    def of(cls, table: CostTable) -> "StreamCosts":
        groups = kinds(table)
        devices = [device for kind in groups for device in kind.columns]
        group = [at for at, kind in enumerate(groups) for _ in kind.columns]
        cores = [1 if kind.alike else device.cores for kind in groups for device in kind.columns]
        most = [1 if kind.alike else NEVER for kind in groups for _ in kind.columns]
        run_s = np.array(
            [[node.run_s.get(device.name, math.nan) for device in devices] for node in table.nodes]
        ).reshape(len(table.nodes), len(devices))
        bring_s = _transfers(table, devices, lambda memory: Route(HOST, memory))
        take_s = _transfers(table, devices, lambda memory: Route(memory, HOST))
        start_s = np.array([device.stage_s for device in devices])
        batch = np.array([device.batch for device in devices], dtype=np.int64)
        crossing_s = np.nansum(np.nanmax(bring_s * batch, axis=1, initial=0.0)) + np.nansum(
            np.nanmax(take_s * batch, axis=1, initial=0.0)
        )
        most_s = float(np.nansum(np.nanmax(run_s, axis=1)) + start_s.max() + crossing_s)
        tick_s = 2.0 ** (math.frexp(most_s)[1] - _BITS) if most_s else 1.0
        read_by = np.zeros((len(table.values), len(table.nodes)), dtype=np.bool_)
        read_by[tuple(reads(table))] = True
        outputs = {end.name for end in table.outputs}
        capacities = {memory.name: memory.capacity_bytes for memory in table.machine.memories}
        return cls(
            tick_s,
            tuple(
                tuple(each.name for each in (kind.devices if kind.alike else (device,)))
                for kind in groups
                for device in kind.columns
            ),
            _ticks(run_s, tick_s),
            np.isfinite(run_s),
            _ticks(start_s, tick_s),
            batch,
            np.array(cores, dtype=np.int64),
            np.array(group, dtype=np.int64),
            np.array([kind.units for kind in groups], dtype=np.int64),
            np.array(most, dtype=np.int64),
            _ticks(bring_s, tick_s),
            _ticks(take_s, tick_s),
            np.isnan(bring_s) | np.isnan(take_s),
            np.array([device.memory != HOST for device in devices]),
            np.array(
                [[_bytes(node.bytes_on(each.name)) for each in devices] for node in table.nodes]
            ),
            np.array([_room(each, capacities[each.memory]) for each in devices], dtype=np.int64),
            np.array([_bytes(value.size_bytes) for value in table.values], dtype=np.int64),
            np.minimum(producers(table), len(table.nodes)),
            read_by,
            np.array([value.name in outputs for value in table.values], dtype=np.bool_),
            UsesByBudget(table, devices),
        )

    @property
    def nodes(self) -> int:
        return len(self.run)


def _bytes(size: int) -> int:
    return min(size, MOST_BYTES)


def _room(device: Device, capacity: int | None) -> int:
    return _NO_END if capacity is None or device.memory == HOST else _bytes(capacity)


def _ticks(times_s: Floats, tick_s: float) -> Ints:
    return np.rint(np.nan_to_num(times_s) / tick_s).astype(np.int64)


def _transfers(table: CostTable, devices: Sequence[Device], way: Callable[[str], Route]) -> Floats:
    """(V, D): seconds along the `way` that leads to or from a device's memory; 0 where it leads
    nowhere else, not a number where there is none."""
    ways = [way(device.memory) for device in devices]
    column = {
        route: [_transfer_s(table, value.name, route) for value in table.values]
        for route in dict.fromkeys(ways)
    }
    columns = [column[route] for route in ways]
    return np.array(columns, dtype=np.float64).reshape(len(devices), len(table.values)).T


def _transfer_s(table: CostTable, value: str, route: Route) -> float:
    if route.source == route.target:
        return 0.0
    cost = table.transfer(value, route)
    return math.nan if cost is None else cost.time_s


@dataclass(frozen=True)
class Calls:
    """What a call of the stage between two ideals of `lattice` takes on each device."""

    costs: StreamCosts
    lattice: Lattice

    @cached_property
    def _run(self) -> Ints:
        return self.lattice.sums(self.costs.run)

    @cached_property
    def _unable(self) -> Ints:
        return self.lattice.sums((~self.costs.able).astype(np.int64))

    @cached_property
    def _weights(self) -> Ints:
        return self.lattice.sums(self.costs.weights)

    @cached_property
    def _readers(self) -> Ints:
        """(I, V): how many nodes of each ideal read each value."""
        return self.lattice.sums(self.costs.reads.T.astype(np.int64))

    @cached_property
    def _written(self) -> Bools:
        """(I, V): whether the value is there when the nodes of the ideal have run."""
        costs = self.costs
        writes = np.zeros((costs.nodes, len(costs.writer)), dtype=np.int64)
        values = np.flatnonzero((costs.writer >= 0) & (costs.writer < costs.nodes))
        writes[costs.writer[values], values] = 1
        written: Bools = self.lattice.sums(writes) > 0
        there: Bools = written | (costs.writer == costs.nodes)
        return there

    def to(self, ideal: int) -> tuple[Ints, Bools]:
        """(B, D) for the B ideals that `ideal` contains (`Lattice.below`): ticks of a call of the
        stage from there to `ideal`, and whether the device can run it."""
        known = self._known.get(ideal)
        if known is None:
            known = self._computed(ideal)
            if self._few:
                self._known[ideal] = known
        return known

    def to_several(self, ideals: range) -> tuple[Ints, Bools]:
        """The same of several ideals, one below the other."""
        known = self._several.get(ideals)
        if known is None:
            ticks, able = zip(*map(self.to, ideals), strict=True)
            known = np.concatenate(ticks), np.concatenate(able)
            if self._few:
                self._several[ideals] = known
                self._keep_once(ideals, *known)
        return known

    def _keep_once(self, ideals: range, ticks: Ints, able: Bools) -> None:
        """Each ideal's part of these, and no copy of it."""
        end = 0
        for ideal in ideals:
            start, end = end, end + len(self.lattice.below[ideal])
            self._known[ideal] = ticks[start:end], able[start:end]

    @cached_property
    def stages(self) -> int:
        """How many stages there are to choose from: the nodes between two ideals on a device that
        can run them, devices that are as good as each other counted once."""
        ideals = range(1, len(self.lattice.ideals))
        return sum(int(self.to(ideal)[1].sum()) for ideal in ideals)

    @cached_property
    def _known(self) -> dict[int, tuple[Ints, Bools]]:
        return {}

    @cached_property
    def _several(self) -> dict[range, tuple[Ints, Bools]]:
        return {}

    @cached_property
    def _few(self) -> bool:
        """Whether there is room to keep them all: every probe asks for each."""
        return sum(map(len, self.lattice.below)) * len(self.costs.batch) <= _MOST_KEPT

    def _computed(self, ideal: int) -> tuple[Ints, Bools]:
        costs, below = self.costs, self.lattice.below[ideal]
        ticks = costs.start + self._run[ideal] - self._run[below]
        able: Bools = self._unable[ideal] == self._unable[below]
        able &= self._weights[ideal] - self._weights[below] <= costs.room
        far = np.flatnonzero(costs.far)
        if len(far):
            crossing, no_way = np.split(self._transfers.to(ideal), 2, axis=1)
            ticks[:, far] += costs.batch[far] * crossing
            able[:, far] &= no_way == 0
        return ticks, able

    @cached_property
    def _open(self) -> Open:
        return Open(self.lattice, self._readers, self._written, self.costs.wanted)

    @cached_property
    def _transfers(self) -> Sums:
        """For each device in another memory: what values cost on their way there and back, and how
        many have none."""
        costs = self.costs
        far = np.flatnonzero(costs.far)
        ways = costs.no_way[:, far].astype(np.int64)
        bring, take = (np.hstack([each[:, far], ways]) for each in (costs.bring, costs.take))
        return self._open.sums(bring, take)

    @cached_property
    def _sizes(self) -> Sums:
        size = self.costs.size[:, None]
        return self._open.sums(size, size)

    def weights(self, ideal: int) -> Ints:
        """(B, D): bytes of weights in the host's memory of the stages from below to `ideal`."""
        below = self.lattice.below[ideal]
        return np.where(self.costs.far, 0, self._weights[ideal] - self._weights[below])

    def passed(self, ideal: int) -> Ints:
        """(B,): bytes that one input passes into and out of the stages from below to `ideal`."""
        found: Ints = self._sizes.to(ideal)[:, 0]
        return found

    def used(self, ideal: int, budget: str, unit: float) -> Ints:
        """(B, D): what an input uses of a budget, in units, in the stages from below to `ideal`."""
        run, passed = self._counted(budget, unit)
        total: Ints = run[ideal] - run[self.lattice.below[ideal]]
        if passed is not None:
            total = total + passed.to(ideal)
        return np.minimum(total, MOST_BYTES)

    def _counted(self, budget: str, unit: float) -> tuple[Ints, Sums | None]:
        """(I, D): what the nodes of each ideal use; and what values do on their way, where they do
        anything."""
        known = self._counted_known.get((budget, unit))
        if known is None:
            uses = self.costs.uses[budget].counted(unit)
            is_any = uses.bring.any() or uses.take.any()
            passed = self._open.sums(uses.bring, uses.take) if is_any else None
            known = self._counted_known[budget, unit] = self.lattice.sums(uses.run), passed
        return known

    @cached_property
    def _counted_known(self) -> dict[tuple[str, float], tuple[Ints, Sums | None]]:
        return {}

"""Measure a running cluster: what its hosts have, what a call of each takes, and each link by size,
through the engine that plans run on.

Devices are probed twice: on one host while the others rest, as where a single run has come to, and
on all at once, as in a stream. While links and calls are measured, every host is kept busy by work
that gives way to all other: measured idle, they seem faster than they are when a plan runs.
"""

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import permutations
from time import perf_counter

import numpy as np

from stagecut.compiler.ir.device import Progress
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import LOCAL
from stagecut.compiler.ir.measured_machine import (
    LinkSample,
    MeasuredDevice,
    MeasuredHost,
    MeasuredLink,
    MeasuredMachine,
)
from stagecut.runtime.hosts.cluster import Cluster, ClusterHost, Handle

#: Dense around 100 KB, where the engine goes over from carrying values in its calls to its store.
SIZES_BYTES = (1_000, 16_000, 64_000, 96_000, 110_000, 256_000, 1_000_000, 4_000_000)

_NOTHING_BYTES = 16
_MOST_RUNS, _LEAST_RUNS, _FIRST_RUNS = 25, 5, 3
#: So often each host is probed, and then all at once.
_TURNS = 5
#: So many calls are counted for what handling one takes, and so many are on their way then.
_PIPELINED, _ON_THEIR_WAY = 100, 6
#: So long one size of one link is measured at the most, beyond the least runs.
_LONGEST_S = 1.0
#: Longer than it all takes.
_BUSY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Probed:
    """A host under its name in plans, and what asks it."""

    name: str
    host: ClusterHost
    prober: Handle


@dataclass(frozen=True, slots=True)
class Speeds:
    """Of a host: what the probe takes on each device while the others rest, and how many times as
    long it takes while they compute."""

    devices: tuple[MeasuredDevice, ...]
    loaded_factor: float


def calibrate(
    cluster: Cluster, progress: Progress, clock: Callable[[], float] = perf_counter
) -> MeasuredMachine:
    """All hosts of the cluster; the driver's is the first. Raises DeviceError where it is alone."""
    here = cluster.here
    others = [host for host in cluster.hosts if host.node != here.node]
    if not others:
        raise DeviceError(
            "there is no other host in the cluster",
            where="stagecut hosts",
            fix=f"join one with `ray start --address {here.address}:PORT`",
        )
    probed = [
        Probed(f"host-{number}", host, cluster.prober(host))
        for number, host in enumerate(others, start=2)
    ]
    own = Probed(LOCAL, here, cluster.prober(here))
    speeds = probed_in_turns(cluster, [own, *probed], progress)
    measure = _Measure(cluster, clock)
    with _busy(cluster, [own, *probed]):
        calls_s = {each.name: measure.call_s(each) for each in probed}
        handling_s = {each.name: measure.handling_s(each) for each in probed}
        pairs = [*permutations((own, *probed), 2)]
        links = tuple(
            MeasuredLink(start.name, end.name, tuple(measure.samples(start, end, calls_s)))
            for start, end in progress(pairs, "measuring links", len(pairs))
        )
    return MeasuredMachine(
        tuple(
            MeasuredHost(
                each.name,
                each.host.address,
                each.host.cpu,
                each.host.cpus,
                speeds[each.name].devices,
                calls_s.get(each.name, 0.0),
                each.host.room_bytes,
                handling_s.get(each.name, 0.0),
                speeds[each.name].loaded_factor,
            )
            for each in (own, *probed)
        ),
        links,
    )


def probed_in_turns(
    cluster: Cluster, hosts: Sequence[Probed], progress: Progress
) -> dict[str, Speeds]:
    """Of each host, those of its devices that never fail. Hosts take turns, and then run at once:
    what a plan goes by is how they compare, and a moment in which one is slow is none in which
    others are."""
    groups = [*((each,) for each in hosts), tuple(hosts)] * _TURNS
    alone_s: dict[str, list[dict[str, float]]] = {each.name: [] for each in hosts}
    loaded_s: dict[str, list[dict[str, float]]] = {each.name: [] for each in hosts}
    for group in progress(groups, "probing hosts", len(groups)):
        probes_s = alone_s if len(group) == 1 else loaded_s
        found = cluster.get([cluster.started(each.prober, "probe") for each in group])
        for each, times_s in zip(group, found, strict=True):
            probes_s[each.name].append(times_s)
    return {each.name: _speeds(alone_s[each.name], loaded_s[each.name]) for each in hosts}


def _speeds(alone_s: Sequence[dict[str, float]], loaded_s: Sequence[dict[str, float]]) -> Speeds:
    """No host is faster for what others do: less than once as long is once."""
    every = (*alone_s, *loaded_s)
    devices = tuple(
        MeasuredDevice(device, statistics.median(each[device] for each in alone_s))
        for device in alone_s[0]
        if all(device in each for each in every)
    )
    factors = [
        statistics.median(each[device.name] for each in loaded_s) / device.probe_s
        for device in devices
    ]
    return Speeds(devices, max(1.0, statistics.median(factors)) if factors else 1.0)


@dataclass(frozen=True, slots=True)
class _Measure:
    cluster: Cluster
    clock: Callable[[], float]

    def call_s(self, probed: Probed) -> float:
        nothing = np.zeros(_NOTHING_BYTES, np.uint8)
        times_s = self._times_s(lambda: self.cluster.call(probed.prober, "take", nothing), [probed])
        return statistics.median(times_s)

    def handling_s(self, probed: Probed) -> float:
        """From one call to the next, where several that do nothing are on their way."""
        waiting: deque[object] = deque()
        times_s = []
        before_s = self.clock()
        for number in range(_PIPELINED + _ON_THEIR_WAY):
            if number >= _ON_THEIR_WAY:
                self.cluster.get([waiting.popleft()])
                after_s = self.clock()
                times_s.append(after_s - before_s)
                before_s = after_s
            waiting.append(self.cluster.started(probed.prober, "worked_s"))
        self.cluster.get([*waiting])
        return statistics.fmean(times_s[_ON_THEIR_WAY:])

    def samples(
        self, start: Probed, end: Probed, calls_s: dict[str, float]
    ) -> Iterator[LinkSample]:
        """What values of each size add to the calls of the two hosts; less than nothing counts as
        nothing."""
        base_s = calls_s.get(start.name, 0.0) + calls_s.get(end.name, 0.0)
        for size_bytes in SIZES_BYTES:
            times_s = self._times_s(self._carry(start, end, size_bytes), [start, end])
            low_s, _, high_s = statistics.quantiles(times_s, n=4, method="inclusive")
            middle_s = statistics.median(times_s)
            added = (max(0.0, each - base_s) for each in (middle_s, low_s, high_s))
            yield LinkSample(size_bytes, *added)

    def _carry(self, start: Probed, end: Probed, size_bytes: int) -> Callable[[], object]:
        cluster = self.cluster
        if start.name == LOCAL:
            values = np.zeros(size_bytes, np.uint8)
            return lambda: cluster.call(end.prober, "take", values)
        if end.name == LOCAL:
            return lambda: cluster.call(start.prober, "give", size_bytes)
        return lambda: cluster.call(
            end.prober, "take", cluster.started(start.prober, "give", size_bytes)
        )

    def _times_s(self, run: Callable[[], object], hosts: Sequence[Probed]) -> Sequence[float]:
        """Without what the hosts work meanwhile."""
        clock = self.clock
        for _ in range(_FIRST_RUNS):
            run()
        self._worked_s(hosts)
        times_s: list[float] = []
        begun_s = clock()
        while len(times_s) < _LEAST_RUNS or (
            len(times_s) < _MOST_RUNS and clock() - begun_s < _LONGEST_S
        ):
            before_s = clock()
            run()
            took_s = clock() - before_s
            times_s.append(max(0.0, took_s - self._worked_s(hosts)))
        return times_s

    def _worked_s(self, hosts: Sequence[Probed]) -> float:
        return math.fsum(self.cluster.call(each.prober, "worked_s") for each in hosts)


@contextmanager
def _busy(cluster: Cluster, probed: Sequence[Probed]) -> Iterator[None]:
    """Each host has work to do in the block."""
    workers = [cluster.prober(each.host) for each in probed]
    for worker in workers:
        cluster.call(worker, "about")  # it is up
        cluster.started(worker, "work", _BUSY_S)
    try:
        yield
    finally:
        for worker in workers:
            cluster.end(worker)

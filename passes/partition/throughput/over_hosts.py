"""The fastest stream over several hosts: which nodes are a stage, and which hosts work for it.

    F({}, any hosts) = 0
    F(J, H) = min over ideals I < J and hosts S of H of  max(F(I, H - S), stage(I, J, S))

F is the least period with which the nodes of an ideal are run by some hosts, each of which works
for one stage with all of its cores (ir/hosts_stream.py). `stage` is what the stage itself takes and
what it reads and hands on, each value once and by the best way. With the least that it takes
whatever the devices of the hosts, no stream in scope has a shorter period; the account of what is
found says how much longer its own is. Nodes take what they do while several hosts work. On a host
that works alone they may take less: those streams are few, and each is looked at by itself.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import ScheduleError, UnplaceableError
from stagecut.compiler.ir.hosts_stream import (
    HostsAccount,
    HostsStream,
    Place,
    hosts_account,
    most_replicas,
)
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.solution import Certificate, meets
from stagecut.compiler.ir.stream_certificate import Limit, StreamScope
from stagecut.compiler.ir.transfers import scheduled
from stagecut.compiler.ir.units import at_most
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.best_ways import LARGEST, BestWays, Costs, Parts
from stagecut.passes.partition.throughput.hosts_stages import MOST_S, HostsStages, Preference
from stagecut.passes.partition.throughput.lattice import Lattice, members
from stagecut.passes.partition.throughput.within_latency import WithinLatency

#: Sets of hosts are looked at, and each with all of its own subsets.
MOST_HOSTS = 6
#: So often a stream within a limit on latency is looked for.
_MOST_AIMS = 8
#: Of the lattice: pairs are looked at once for each set of hosts.
_MOST_IDEALS, _MOST_PAIRS = 1_000, 150_000


_Found: TypeAlias = tuple[HostsStream, HostsAccount]


@dataclass(frozen=True, slots=True)
class HostsSolution:
    """`account` is the independent evaluator's."""

    stream: HostsStream
    account: HostsAccount
    certificate: Certificate


def certificate(
    period_s: float, bound_s: float, scope: StreamScope, limit: Limit | None = None
) -> Certificate:
    """Of a stream with this period, where none in scope and within the limit has one below the
    bound."""
    exact = meets(period_s, bound_s)
    whole = scope == "schedules with contiguous stages"
    stages = "contiguous stages" if whole else "stretches of the graph's order"
    within = "" if limit is None else f" within {limit},"
    hosts = "each host working for one of them with all of its cores"
    what = f"stream of {stages}, {hosts},{within} is faster"
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


@dataclass(frozen=True, slots=True)
class ThroughputOverHosts:
    """Of streams with the same period: longer stages, then earlier hosts. With a limit on
    `latency`, of those in which no input takes longer."""

    latency: Limit | None = None

    def __call__(self, table: CostTable) -> HostsSolution:
        """Raises UnplaceableError where the hosts have no room for any stream, and where none is
        within the limit, or none is found."""
        count = len(table.machine.hosts)
        if count > MOST_HOSTS:
            raise UnplaceableError(
                f"there are {count} hosts, and streams are made for {MOST_HOSTS} at the most",
                where="machine",
                fix="leave some out of machine.json",
            )
        _check_hosts(table)
        _check_times(table)
        lattice = Lattice.of(Precedence.of(table), _MOST_IDEALS, _MOST_PAIRS)
        search = _Search(table, lattice)
        return search.solution() if self.latency is None else search.solution_within(self.latency)


def _check_hosts(table: CostTable) -> None:
    """Raises UnplaceableError for a memory of a host that the table does not have, and for a host
    with several: what goes from one to the other is no stream's."""
    known = {host.name for host in table.machine.hosts}
    first: dict[str, str] = {}
    for index, memory in enumerate(table.machine.memories):
        if memory.host in first:
            raise UnplaceableError(
                f"host {memory.host!r} has the memories {first[memory.host]!r} and "
                f"{memory.name!r}, and streams over hosts are made for one of each",
                where=f"memories[{index}].host",
                fix="leave one of them out, and the devices in it",
            )
        first[memory.host] = memory.name
        if memory.host not in known:
            raise UnplaceableError(
                f"there is no host {memory.host!r}",
                where=f"memories[{index}].host",
                fix=f"the hosts are {', '.join(sorted(known))}",
            )


def _check_times(table: CostTable) -> None:
    """Raises UnplaceableError for times that cannot be counted."""
    total_s = math.fsum(max(node.run_s.values()) for node in table.nodes)
    if total_s > MOST_S:
        raise UnplaceableError(
            f"they come to {total_s:g} s, and streams over hosts are made for {MOST_S:g} s at most",
            where="nodes",
            fix="leave out what takes so long that nobody would wait for it",
        )


@dataclass(frozen=True)
class _Search:
    """With the devices that hosts prefer; with "any", where that may take less than `below_s`."""

    table: CostTable
    lattice: Lattice
    prefers: Preference = "most"
    below_s: float = np.inf

    def solution(self) -> HostsSolution:
        """Other devices than those that do the most by themselves are only tried where they may
        help."""
        found, bound_s = self._solved()
        best = _fastest([found, *self._alone()])
        if not meets(best[1].period_s, bound_s) and self._stages.devices_to_choose_from:
            others = replace(self, prefers="any", below_s=found[1].period_s)
            other, no_less_s = others._solved()
            best, bound_s = _fastest([best, other]), max(bound_s, no_less_s)
        return self._proved(best, bound_s)

    def _proved(self, found: _Found, bound_s: float, limit: Limit | None = None) -> HostsSolution:
        """The bound is of streams in which all hosts work; none on one of them is faster than what
        is found."""
        stream, account = found
        proof = self._certificate(account.period_s, min(bound_s, account.period_s), limit)
        return HostsSolution(stream, account, proof)

    def _alone(self) -> Iterator[_Found]:
        """Everything on one device of one host, where there is a way to it and back."""
        names = [node.name for node in self.table.nodes]
        for device in self.table.machine.devices:
            able = all(device.name in node.run_s for node in self.table.nodes)
            place = self._place(names, device) if able else None
            if place is None or not place.replicas:
                continue
            schedule = scheduled(self.table, [Stage(device.name, tuple(names))])
            stream = HostsStream(schedule, ((place,),))
            with suppress(ScheduleError):
                yield stream, hosts_account(self.table, stream)

    def _solved(self) -> tuple[_Found, float]:
        """The fastest by what nodes take while several work, and what none takes less than."""
        stages = self._stages
        ways = BestWays(self.lattice, len(stages.hosts), LARGEST, stages.both_s, kinds=2)
        parts = ways.parts()
        if not parts:
            raise UnplaceableError(
                "no stream fits: the hosts have no room for all of its weights",
                where="machine",
                fix="raise capacity_bytes in machine.json, or add a host",
            )
        stream = self._stream(parts)
        return (stream, hosts_account(self.table, stream)), ways.totals[1]

    def solution_within(self, limit: Limit) -> HostsSolution:
        stages = self._stages
        least = self._within(stages.least_periods_s, stages.least_latencies_s)
        bound_s = least.least_s(limit.ceiling)
        together = None if np.isinf(bound_s) else self._found_within(limit, bound_s)
        alone = [each for each in self._alone() if limit.allows(each[1].latency_s)]
        found = [*filter(None, [together]), *alone]
        if not found:
            proved = "no stream is" if np.isinf(bound_s) else "no stream was found"
            raise UnplaceableError(
                f"{proved} within {limit}",
                where="machine",
                fix="raise the limit, or capacity_bytes in machine.json, or add a host",
            )
        return self._proved(_fastest(found), bound_s, limit)

    def _found_within(self, limit: Limit, bound_s: float) -> _Found | None:
        """The faster one, where another device of a host may be quicker than its fastest."""
        found = self._aimed_within(limit)
        if found is not None and meets(found[1].period_s, bound_s):
            return found
        if self._stages.devices_to_choose_from:
            others = replace(self, prefers="quickest")._aimed_within(limit)
            found = min(filter(None, (found, others)), key=_period_s, default=None)
        return found

    def _aimed_within(self, limit: Limit) -> _Found | None:
        """An input is wanted within the limit by its account: where a stream takes longer than it
        was taken to, a quicker one is looked for."""
        search = self._within(self._stages.periods_s, self._stages.latencies_s)
        aim_s = limit.ceiling
        for _ in range(_MOST_AIMS):
            period_s = search.least_s(aim_s)
            if np.isinf(period_s):
                break
            stream = self._stream(search.parts(period_s))
            account = hosts_account(self.table, stream)
            if limit.allows(account.latency_s):
                return stream, account
            aim_s *= limit.most / account.latency_s
        return None

    def _within(self, periods_s: Costs, latencies_s: Costs) -> WithinLatency:
        return WithinLatency(self.lattice, len(self._stages.hosts), periods_s, latencies_s)

    def _certificate(
        self, period_s: float, bound_s: float, limit: Limit | None = None
    ) -> Certificate:
        scope: StreamScope = (
            "schedules with contiguous stages"
            if self.lattice.complete
            else "contiguous stages in the graph's order"
        )
        return certificate(period_s, bound_s, scope, limit)

    @cached_property
    def _stages(self) -> HostsStages:
        return HostsStages(self.table, self.lattice, self.prefers, self.below_s)

    def _stream(self, parts: Parts) -> HostsStream:
        nodes, ideals = self.table.nodes, self.lattice.ideals
        stages, places = [], []
        for start, end, mask in parts:
            inside = [nodes[at].name for at in members(ideals[end] & ~ideals[start])]
            row = int(np.flatnonzero(self.lattice.below[end] == start)[0])
            found = [self._place(inside, each) for each in self._stages.devices_for(end, row, mask)]
            stages.append(Stage(found[0].device, tuple(inside)))
            places.append(tuple(found))
        return HostsStream(scheduled(self.table, stages), tuple(places))

    def _place(self, inside: Sequence[str], device: Device) -> Place:
        weights = sum(self.table.node_named[name].bytes_on(device.name) for name in inside)
        return Place(device.name, most_replicas(self.table, device, weights))


def _period_s(found: _Found) -> float:
    return found[1].period_s


def _fastest(found: Sequence[_Found]) -> _Found:
    """The first of those that differ by a rounding."""
    least_s = min(map(_period_s, found))
    return next(each for each in found if meets(_period_s(each), least_s))

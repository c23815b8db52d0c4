"""A stream over several hosts: which host works for which stage, and what that comes to.

    stage 0 a, b    2 x cpu.serial, 2 x b.cpu.serial        both hosts run it, each on all its cores
    stage 1 c       c.cpu.parallel

    a call              what its nodes take; where several hosts work, that much longer for each of
                        them (`loaded_factor`)
    a place's rate      replicas / (its call + what handling a call takes)
    a stage's rate      the sum of its places' rates, and each has its share of the inputs
    a link's end        out of a host, or into one: what its share of all values takes there
    the driver          what handling the calls of other hosts takes of its own

Each host works for one stage. The period is the longest of all of these.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from stagecut.compiler.ir.amounts import Amount, Positive
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError
from stagecut.compiler.ir.machine import LOCAL, Basis, Device, Host, Route, combined
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.units import size_exactly

#: No call takes less: a rate is a number.
LEAST_S = 2.0**-40


@dataclass(frozen=True, slots=True)
class Place:
    """Replicas of a stage on a device of one host."""

    device: str
    replicas: Positive

    def __str__(self) -> str:
        return f"{self.replicas} x {self.device}"


@dataclass(frozen=True, slots=True)
class Load:
    """An end of a link, or the driver, and the part of the time that it is at work: 1 for the
    bottleneck."""

    name: str
    busy: Amount


@dataclass(frozen=True, slots=True)
class HostsStream:
    """`schedule` is what happens to an input that is run by the first place of each stage."""

    schedule: Schedule
    places: tuple[tuple[Place, ...], ...]

    @property
    def replicas(self) -> tuple[int, ...]:
        return tuple(sum(each.replicas for each in places) for places in self.places)

    def __str__(self) -> str:
        return "\n".join(
            f"{' + '.join(map(str, places))}: {', '.join(stage.nodes)}"
            for places, stage in zip(self.places, self.schedule.stages, strict=True)
        )


@dataclass(frozen=True, slots=True)
class HostsAccount:
    """`stage_s` are the periods of the stages; `loads` say for each end of a link, and for the
    driver, which part of the period it is at work. `latency_s` is what an input takes from end to
    end, with no queue before it."""

    stage_s: tuple[float, ...]
    loads: tuple[Load, ...]
    period_s: float
    latency_s: float
    basis: Basis

    @property
    def busy(self) -> tuple[float, ...]:
        """The part of the time that each stage is at work."""
        return tuple(each / self.period_s if self.period_s else 1.0 for each in self.stage_s)


def hosts_account(table: CostTable, stream: HostsStream) -> HostsAccount:
    """What the stream costs by the table; shares no code with the solver.

    Raises AssignmentError or ScheduleError where it does not fit the table or its machine.
    """
    return _Account(table, stream).account()


def most_replicas(table: CostTable, device: Device, weight_bytes: int) -> int:
    """So many run on all cores of the device's host, each with weights of its own."""
    replicas = table.machine.units_of[device.keeps_busy] // device.cores
    capacity = table.machine.memory_named[device.memory].capacity_bytes
    if capacity is not None and weight_bytes:
        replicas = min(replicas, capacity // weight_bytes)
    return replicas


@dataclass(frozen=True)
class _Account:
    table: CostTable
    stream: HostsStream

    def account(self) -> HostsAccount:
        self._check()
        places = self.stream.places
        rates = [self._rates(stage) for stage in range(len(places))]
        stage_s = tuple(1 / sum(each) for each in rates)
        shares = [[rate / sum(each) for rate in each] for each in rates]
        busy_s = self._links_s(shares)
        if driver_s := self._driver_s(shares):
            busy_s["the driver"] = driver_s
        period_s = max(*stage_s, *busy_s.values(), 0.0)
        loads = tuple(Load(name, each / period_s) for name, each in busy_s.items() if period_s)
        devices = (self._device(place) for stage in places for place in stage)
        return HostsAccount(
            stage_s,
            loads,
            period_s,
            self._latency_s(shares),
            combined(device.basis for device in devices),
        )

    @cached_property
    def _hosts(self) -> Mapping[str, Host]:
        return {host.name: host for host in self.table.machine.hosts}

    @cached_property
    def _memory_of_host(self) -> Mapping[str, str]:
        memories = self.table.machine.memories
        found = {each.host: each.name for each in memories}
        for each in memories:
            if found[each.host] != each.name:
                raise ScheduleError("has several memories", where=f"host {each.host}")
        return found

    def _device(self, place: Place) -> Device:
        return self.table.machine.device(place.device)

    def _host(self, place: Place) -> str:
        return self.table.machine.host_of(place.device)

    def _check(self) -> None:
        stages = self.stream.schedule.stages
        used = dict.fromkeys(self._memory_of_host, 0)
        for stage, places in zip(stages, self.stream.places, strict=True):
            if not places or places[0].device != stage.device:
                raise ScheduleError("its first place is another device", where=stage.device)
            for place in places:
                self._check_place(stage.nodes, place)
                used[self._host(place)] += 1
        if twice := [host for host, count in used.items() if count > 1]:
            raise ScheduleError(
                "works for two stages", where=f"host {twice[0]}", fix="let a host work for one"
            )

    def _check_place(self, nodes: Sequence[str], place: Place) -> None:
        device, machine = self._device(place), self.table.machine
        for name in nodes:
            if place.device not in self.table.node_named[name].run_s:
                raise AssignmentError(f"cannot run on {place.device}", where=f"node {name}")
        if place.replicas * device.cores > machine.units_of[device.keeps_busy]:
            raise ScheduleError(
                f"{place.replicas} replicas are more than there are cores for", where=place.device
            )
        memory = machine.memory_named[device.memory]
        bytes_ = sum(self.table.node_named[name].bytes_on(place.device) for name in nodes)
        if memory.capacity_bytes is not None and place.replicas * bytes_ > memory.capacity_bytes:
            raise AssignmentError(
                f"{place.replicas} replicas with {size_exactly(bytes_)} of weights do not fit",
                where=f"memory {memory.name}",
                fix="let some of its nodes run elsewhere",
            )

    def _call_s(self, stage: int, place: Place) -> float:
        nodes = self.stream.schedule.stages[stage].nodes
        alone_s = math.fsum(self.table.node_named[name].run_s[place.device] for name in nodes)
        return alone_s * self._loaded_factor(self._host(place))

    def _loaded_factor(self, host: str) -> float:
        return self._hosts[host].loaded_factor if self._are_several and host in self._hosts else 1.0

    @cached_property
    def _are_several(self) -> bool:
        """Whether others compute while a host does."""
        return len({self._host(place) for places in self.stream.places for place in places}) > 1

    def _handling_s(self, place: Place) -> float:
        host = self._host(place)
        return 0.0 if host == LOCAL else self._hosts[host].handling_s

    def _rates(self, stage: int) -> list[float]:
        """Of each place. The driver's host works for the calls of others, too: of this stage, and
        of the others, which are as many as there are inputs."""
        places = self.stream.places[stage]
        rates = []
        for place in places:
            taken_s = self._call_s(stage, place) + self._handling_s(place)
            rates.append(place.replicas / max(taken_s, LEAST_S))
        here = next((at for at, each in enumerate(places) if self._host(each) == LOCAL), None)
        if here is None:
            return rates
        units = self.table.machine.units_of[self._device(places[here]).keeps_busy]
        others = [each for at, each in enumerate(self.stream.places) if at != stage]
        own = sum(rate * self._handling_s(each) for rate, each in zip(rates, places, strict=True))
        theirs_s = sum(max(map(self._handling_s, each)) for each in others)
        alone, rest = rates[here], sum(rates) - rates[here]
        left = alone * (1 - (own + rest * theirs_s) / units) / (1 + alone * theirs_s / units)
        rates[here] = max(LEAST_S, left)
        return rates

    def _links_s(self, shares: Sequence[Sequence[float]]) -> dict[str, float]:
        """By end of a link, what an input keeps it busy."""
        found: dict[str, float] = {}
        for start, end, took_s in self._crossings(shares):
            for name in (f"the link out of {start}", f"the link into {end}"):
                found[name] = found.get(name, 0.0) + took_s
        return found

    def _crossings(self, shares: Sequence[Sequence[float]]) -> Iterator[tuple[str, str, float]]:
        """(from this host, to that one, what an input takes there): one for each value that may go
        from one to the other, by the part of the inputs with which it does."""
        for value, source, target in self._handed_on():
            for start, sent in self._ends(source, shares):
                for end, received in self._ends(target, shares):
                    if start != end:
                        yield start, end, sent * received * self._transfer_s(value, start, end)

    def _handed_on(self) -> Iterator[tuple[str, int | None, int | None]]:
        """(value, the stage that writes it, one that reads it); None for the driver."""
        table, stage_of = self.table, self.stream.schedule.stage_of
        begins = {end.name for end in table.inputs}
        ends = {end.name for end in table.outputs}
        for value in table.values:
            producer = table.producer.get(value.name)
            if producer is None and value.name not in begins:
                continue
            source = None if producer is None else stage_of[producer]
            readers = {stage_of[user] for user in table.users.get(value.name, ())}
            for target in sorted(readers - {source}):
                yield value.name, source, target
            if value.name in ends and source is not None:
                yield value.name, source, None

    def _ends(
        self, stage: int | None, shares: Sequence[Sequence[float]]
    ) -> Sequence[tuple[str, float]]:
        """The hosts of a stage, each with its share; None is the driver."""
        if stage is None:
            return [(LOCAL, 1.0)]
        places = self.stream.places[stage]
        return [(self._host(each), part) for each, part in zip(places, shares[stage], strict=True)]

    def _transfer_s(self, value: str, start: str, end: str) -> float:
        route = Route(self._memory_of_host[start], self._memory_of_host[end])
        cost = self.table.transfer(value, route)
        if cost is None:
            raise ScheduleError(
                f"there is no way from {start} to {end}",
                where=f"value {value}",
                fix="measure the hosts again",
            )
        return cost.time_s

    def _driver_s(self, shares: Sequence[Sequence[float]]) -> float:
        return math.fsum(
            part * self._handling_s(place)
            for places, parts in zip(self.stream.places, shares, strict=True)
            for place, part in zip(places, parts, strict=True)
        )

    def _latency_s(self, shares: Sequence[Sequence[float]]) -> float:
        parts = [
            part * (self._call_s(stage, place) + self._device(place).stage_s)
            for stage, (places, each) in enumerate(zip(self.stream.places, shares, strict=True))
            for place, part in zip(places, each, strict=True)
        ]
        crossings_s = [took_s for _, _, took_s in self._crossings(shares)]
        return math.fsum([*parts, *crossings_s])

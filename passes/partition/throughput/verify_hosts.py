"""Check that no stream over hosts is faster than is said, with nothing of the solver's.

    {}, no hosts  -- a stage -->  {a b}, b works  -- a stage -->  everything, b and local work

Stages that may have a shorter period, on any devices of their hosts, lead from what may have run to
what may have then. It is a proof if no such stages lead to everything; within a limit on latency,
if what an input takes in them, added up, is more. Nodes take what they do while several hosts work;
a host that works for all of them may do so by itself, while the others rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.hosts_stream import LEAST_S, most_replicas
from stagecut.compiler.ir.machine import LOCAL, Device, Route
from stagecut.compiler.ir.solution import meets
from stagecut.compiler.ir.stream_certificate import Limit, StreamScope
from stagecut.compiler.ir.units import seconds
from stagecut.passes.partition.throughput.definition import ideals_of, refused

#: More are no certificate's that was solved here.
_MOST_IDEALS = 2_000
_MOST_HOSTS = 6


def verify_over_hosts(
    table: CostTable, bound_s: float, scope: StreamScope, latency: Limit | None = None
) -> None:
    """Raises CertificateError where a stream in scope, within the limit on `latency`, may have a
    period below `bound_s`."""
    hosts = _Hosts(table)
    if len(hosts.names) > _MOST_HOSTS:
        raise refused(f"there are more than {_MOST_HOSTS} hosts that may work for a stage")
    ideals = []
    for ideal in ideals_of(table, scope == "schedules with contiguous stages"):
        ideals.append(ideal)
        if len(ideals) > _MOST_IDEALS:
            raise refused(f"there are more than {_MOST_IDEALS} sets of nodes that may have run")
    alone = _Between(replace(hosts, together=False), ideals[0], ideals[-1])
    taken_s = _Walk(hosts, ideals, bound_s).least_latency_s()
    least_s = [taken_s for _, taken_s in alone.latencies_s(bound_s)]
    least_s += [] if taken_s is None else [taken_s]
    if any(latency is None or latency.allows(each) for each in least_s):
        raise refused(f"stages with a period below {seconds(bound_s)} run everything")


@dataclass(frozen=True)
class _Walk:
    hosts: "_Hosts"
    ideals: Sequence[frozenset[int]]
    bound_s: float

    def least_latency_s(self) -> float | None:
        """What an input takes in such stages that run everything; None where none do."""
        none = frozenset[str]()
        reached: dict[frozenset[int], dict[frozenset[str], float]] = {
            ideal: {} for ideal in self.ideals
        }
        reached[self.ideals[0]][none] = 0.0
        for start in self.ideals:
            for end in self.ideals if reached[start] else ():
                if start < end:
                    self._follow(_Between(self.hosts, start, end), reached[start], reached[end])
        return min(reached[self.ideals[-1]].values(), default=None)

    def _follow(
        self,
        stage: "_Between",
        before: Mapping[frozenset[str], float],
        after: dict[frozenset[str], float],
    ) -> None:
        for working, taken_s in stage.latencies_s(self.bound_s):
            for worked, before_s in before.items():
                if worked.isdisjoint(working):
                    then, then_s = worked | working, before_s + taken_s
                    after[then] = min(then_s, after.get(then, then_s))


@dataclass(frozen=True)
class _Hosts:
    """Which work `together`, or one of them alone."""

    table: CostTable
    together: bool = True

    @cached_property
    def names(self) -> Sequence[str]:
        """Of those with a memory: on others nothing runs."""
        there = {memory.host for memory in self.table.machine.memories}
        return [host.name for host in self.table.machine.hosts if host.name in there]

    @cached_property
    def handling_s(self) -> Mapping[str, float]:
        hosts = self.table.machine.hosts
        return {host.name: 0.0 if host.name == LOCAL else host.handling_s for host in hosts}

    @cached_property
    def factors(self) -> Mapping[str, float]:
        """How many times as long as by itself the nodes of each host take."""
        hosts = self.table.machine.hosts
        return {host.name: host.loaded_factor if self.together else 1.0 for host in hosts}

    @cached_property
    def devices(self) -> Mapping[str, Sequence[Device]]:
        machine = self.table.machine
        return {
            host: [each for each in machine.devices if machine.host_of(each.name) == host]
            for host in self.names
        }

    @cached_property
    def sets(self) -> Sequence[tuple[str, ...]]:
        """Of hosts that may work for a stage."""
        if not self.together:
            return [(name,) for name in self.names]
        every = product(*((None, name) for name in self.names))
        found = [tuple(name for name in each if name is not None) for each in every]
        return [each for each in found if each]

    @cached_property
    def into_s(self) -> Mapping[tuple[str, str], float]:
        """Of a value and a host, by the best way from another; nothing for the driver's own."""
        return {
            (value.name, host): self._least_s(value.name, host, [*product(self.names, [host])])
            for value in self.table.values
            for host in self.names
        }

    @cached_property
    def out_s(self) -> Mapping[tuple[str, str], float]:
        """By the best way to another."""
        return {
            (value.name, host): self._least_s(value.name, host, [*product([host], self.names)])
            for value in self.table.values
            for host in self.names
        }

    def _least_s(self, value: str, host: str, ways: Sequence[tuple[str, str]]) -> float:
        memory = {each.host: each.name for each in self.table.machine.memories}
        routes = [Route(memory[start], memory[end]) for start, end in ways if start != end]
        costs = [self.table.transfer(value, route) for route in routes]
        known_s = [cost.time_s for cost in costs if cost is not None]
        return 0.0 if host == LOCAL else min(known_s, default=0.0)


@dataclass(frozen=True, slots=True)
class _Worker:
    """A host that works for a stage on one of its devices: inputs a second were it by itself, and
    seconds of an input that it runs."""

    host: str
    rate: float
    run_s: float
    units: int


@dataclass(frozen=True)
class _Between:
    """The stage of the nodes that run when those in `start` have, until those in `end` have."""

    of: _Hosts
    start: frozenset[int]
    end: frozenset[int]

    def latencies_s(self, bound_s: float) -> Iterator[tuple[frozenset[str], float]]:
        """The sets of hosts with which its period may be below the bound, each with what an input
        takes in it at the least."""
        most = {host: max((each.rate for each in some), default=0.0) for host, some in self._able}
        for hosts in self.of.sets:
            if meets(bound_s, 1 / max(sum(most[host] for host in hosts), LEAST_S)):
                continue
            workers = product(*(dict(self._able)[host] for host in hosts))
            found = [
                self._latency_s(each)
                for each in workers
                if not meets(bound_s, self._period_s(_shared(each, self.of.handling_s)))
            ]
            if found:
                yield frozenset(hosts), min(found)

    @cached_property
    def _nodes(self) -> Sequence[NodeCosts]:
        return [self.of.table.nodes[at] for at in sorted(self.end - self.start)]

    @cached_property
    def _able(self) -> Sequence[tuple[str, Sequence[_Worker]]]:
        """What each host may be at work with."""
        return [
            (host, [worker for each in devices if (worker := self._worker(host, each))])
            for host, devices in self.of.devices.items()
        ]

    def _worker(self, host: str, device: Device) -> _Worker | None:
        if any(device.name not in node.run_s for node in self._nodes):
            return None
        table = self.of.table
        weights = sum(node.bytes_on(device.name) for node in self._nodes)
        replicas = most_replicas(table, device, weights)
        if not replicas:
            return None
        run_s = sum(node.run_s[device.name] for node in self._nodes) * self.of.factors[host]
        rate = replicas / max(run_s + self.of.handling_s[host], LEAST_S)
        units = table.machine.units_of[device.keeps_busy]
        return _Worker(host, rate, run_s + device.stage_s, units)

    def _period_s(self, workers: Sequence[tuple[_Worker, float]]) -> float:
        """With what each of them does a second: the longest of what they do together, the ends of
        links, and what the driver does for them."""
        total = sum(rate for _, rate in workers)
        shares = {worker.host: rate / total for worker, rate in workers}
        far = [host for host in shares if host != LOCAL]
        loads_s = [1 / total, sum(shares[host] * self.of.handling_s[host] for host in far)]
        for host in far:
            ends_s = (self._into_s(host, self._brought), self._out_s(host, self._handed_on))
            loads_s += [shares[host] * each for each in ends_s]
        loads_s.append(sum(shares[host] * self._into_s(host, self._inputs) for host in far))
        loads_s.append(sum(shares[host] * self._out_s(host, self._outputs) for host in far))
        return max(loads_s)

    def _latency_s(self, workers: Sequence[_Worker]) -> float:
        """With whatever share the driver's host has: the calls of other stages may leave it next to
        nothing."""
        shared = _shared(workers, self.of.handling_s)
        others = [(worker, rate) for worker, rate in shared if worker.host != LOCAL]
        return min(map(self._weighed_s, filter(None, (shared, others))))

    def _weighed_s(self, workers: Sequence[tuple[_Worker, float]]) -> float:
        total = sum(rate for _, rate in workers)
        return sum(rate / total * self._alone_s(worker) for worker, rate in workers)

    def _alone_s(self, worker: _Worker) -> float:
        into_s = self._into_s(worker.host, self._brought)
        return worker.run_s + into_s + self._out_s(worker.host, self._outputs)

    def _into_s(self, host: str, values: Sequence[str]) -> float:
        return sum(self.of.into_s[value, host] for value in values)

    def _out_s(self, host: str, values: Sequence[str]) -> float:
        return sum(self.of.out_s[value, host] for value in values)

    @cached_property
    def _written(self) -> Sequence[str]:
        return [name for node in self._nodes for name in node.outputs]

    @cached_property
    def _inputs(self) -> Sequence[str]:
        """Of those that it reads, the ones that inputs of the model bring."""
        known = {end.name for end in self.of.table.inputs}
        read = dict.fromkeys(name for node in self._nodes for name in node.inputs)
        return [name for name in read if name in known]

    @cached_property
    def _brought(self) -> Sequence[str]:
        """What it reads that others have."""
        table = self.of.table
        before = {name for at in self.start for name in table.nodes[at].outputs}
        read = dict.fromkeys(name for node in self._nodes for name in node.inputs)
        return [name for name in read if name in before or name in self._inputs]

    @cached_property
    def _outputs(self) -> Sequence[str]:
        wanted = {end.name for end in self.of.table.outputs}
        return [name for name in self._written if name in wanted]

    @cached_property
    def _handed_on(self) -> Sequence[str]:
        """What it writes for later nodes, or for the driver."""
        nodes = self.of.table.nodes
        later = {
            name for at, node in enumerate(nodes) if at not in self.end for name in node.inputs
        }
        return [name for name in self._written if name in later or name in self._outputs]


def _shared(
    workers: Sequence[_Worker], handling_s: Mapping[str, float]
) -> list[tuple[_Worker, float]]:
    """Each with what it does a second: the driver's host has the less time, the more calls of
    others there are."""
    calls_s = sum(worker.rate * handling_s[worker.host] for worker in workers)
    return [
        (
            worker,
            max(LEAST_S, worker.rate * (1 - calls_s / worker.units))
            if worker.host == LOCAL
            else worker.rate,
        )
        for worker in workers
    ]

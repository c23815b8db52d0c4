"""Which nodes run on several hosts, and where: the least latency, as an integer program.

x[n, d]      node n runs on device d                                whole; at least one for a node
z[v, s, m]   memory m gets value v from memory s                    0 to 1
w[d]         a stage starts on d                                    0 to 1

    minimise    run(n, d) x[n, d] + send(v, s, m) z[v, s, m] + start(d) w[d]
    such that   x[writer of v in m] + sum over s of z[v, s, m] >= x[n in m]   for every reader n
                x[writer of v in s] + sum over r of z[v, r, s] >= z[v, s, m]
                x[n in m] <= 1                   of two runs on a host, the later one is for nothing
                w[d] >= x[n, d]
                sum over n of bytes(n, d) x[n, d] in m <= capacity of m

Every schedule of every program in which nodes run more than once is a point of it, and costs no
less: where a device starts several stages, w counts one. So its least is a lower bound for them
all.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Route
from stagecut.passes.partition.milp.solver import IntegerProgram, Point

#: Value -> route -> what it takes there in fewer bytes, the least of its coded forms.
CodedCosts = Mapping[str, Mapping[Route, float]]

#: How long HiGHS may search.
_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Replication:
    """`memories` are those in which each node runs, its home first, where it has one; nothing costs
    less than `bound_s`."""

    memories: Mapping[str, tuple[str, ...]]
    bound_s: float


@dataclass(frozen=True, slots=True)
class Replicated:
    """Nodes that are to run `once` do not give the same each time. Of a value that is `coded_s`,
    that is what it takes, if that is less. Nodes run in the memories of `homes`, too, where they
    have one."""

    once: Set[str]
    coded_s: CodedCosts
    homes: Mapping[str, str]

    def __call__(self, table: CostTable) -> Replication:
        """Raises UnplaceableError where nothing fits, or nothing is found in time."""
        return _Program(table, self).replication()


@dataclass(frozen=True)
class _Program:
    table: CostTable
    asked: Replicated

    def replication(self) -> Replication:
        self._add_nodes()
        for value in self.table.values:
            self._add_value(value.name)
        self._add_limits()
        outcome = self._program.solve(_LIMIT_S)
        if outcome.point is None:
            raise UnplaceableError(
                "no plan was found in which nodes run on several hosts",
                where="machine",
                fix="raise capacity_bytes in machine.json, or add a host",
            )
        return Replication(self._memories(outcome.point), outcome.bound)

    @cached_property
    def _program(self) -> IntegerProgram:
        return IntegerProgram()

    @cached_property
    def _on(self) -> Mapping[str, Mapping[str, int]]:
        """Node -> device -> variable."""
        return {
            node.name: {
                device: self._program.variable(run_s, whole=True)
                for device, run_s in node.run_s.items()
            }
            for node in self.table.nodes
        }

    def _in(self, node: str, memory: str, factor: float) -> dict[int, float]:
        memory_of = self.table.machine.memory_of
        return {at: factor for name, at in self._on[node].items() if memory_of(name) == memory}

    @cached_property
    def _all_memories(self) -> tuple[str, ...]:
        return tuple(memory.name for memory in self.table.machine.memories)

    def _add_nodes(self) -> None:
        for name, able in self._on.items():
            self._program.at_least(1.0, dict.fromkeys(able.values(), 1.0))
            if name in self.asked.once:
                self._program.at_least(-1.0, dict.fromkeys(able.values(), -1.0))
            for memory in self._all_memories:
                if terms := self._in(name, memory, -1.0):
                    self._program.at_least(-1.0, terms)
            if name in self.asked.homes:
                self._program.at_least(1.0, self._in(name, self.asked.homes[name], 1.0))

    def _add_value(self, value: str) -> None:
        sent = {
            route: self._program.variable(time_s) for route, time_s in self._sent_s(value).items()
        }
        for route, variable in sent.items():
            lower, terms = self._there(value, route.source, sent)
            self._program.at_least(lower, {**terms, variable: -1.0})
        for memory in self._all_memories:
            lower, terms = self._there(value, memory, sent)
            if any(end == (value, memory) for end in self._ends):
                self._program.at_least(1.0 + lower, terms)
            for user in self.table.users.get(value, ()) if self._is_bound(value) else ():
                if reader := self._in(user, memory, -1.0):
                    self._program.at_least(lower, terms | reader)

    @cached_property
    def _ends(self) -> Set[tuple[str, str]]:
        return {(end.name, end.memory) for end in self.table.outputs}

    @cached_property
    def _starts(self) -> Mapping[str, str]:
        return {end.name: end.memory for end in self.table.inputs}

    def _is_bound(self, value: str) -> bool:
        """Others are wherever they are wanted."""
        return value in self.table.producer or value in self._starts

    def _there(
        self, value: str, memory: str, sent: Mapping[Route, int]
    ) -> tuple[float, dict[int, float]]:
        """Terms that are at least the first of the two where the value is in the memory."""
        terms = {at: 1.0 for route, at in sent.items() if route.target == memory}
        if value in self.table.producer:
            terms |= self._in(self.table.producer[value], memory, 1.0)
        return (-1.0 if self._starts.get(value) == memory else 0.0), terms

    def _sent_s(self, value: str) -> dict[Route, float]:
        """Straight ways of a value that some node reads, or that has to end somewhere."""
        found: dict[Route, float] = {}
        coded_s = self.asked.coded_s.get(value, {})
        for source in self._all_memories if self._is_bound(value) else ():
            for target in self._all_memories:
                route = Route(source, target)
                cost = None if source == target else self.table.transfer(value, route)
                if cost is not None:
                    found[route] = min(cost.time_s, coded_s.get(route, cost.time_s))
        return found

    def _add_limits(self) -> None:
        for device in self.table.machine.devices:
            able = [on[device.name] for on in self._on.values() if device.name in on]
            if not (device.stage_s and able):
                continue
            start = self._program.variable(device.stage_s)
            for at in able:
                self._program.at_least(0.0, {start: 1.0, at: -1.0})
        for memory in self.table.machine.memories:
            if memory.capacity_bytes is not None:
                self._program.at_least(-float(memory.capacity_bytes), self._bytes_in(memory.name))

    def _bytes_in(self, memory: str) -> dict[int, float]:
        machine = self.table.machine
        return {
            at: -float(node.bytes_on(device))
            for node in self.table.nodes
            for device, at in self._on[node.name].items()
            if machine.memory_of(device) == memory
        }

    def _memories(self, point: Point) -> dict[str, tuple[str, ...]]:
        memory_of = self.table.machine.memory_of
        return {
            node: tuple(
                dict.fromkeys(memory_of(name) for name, at in on.items() if point[at] > 0.5)
            )
            for node, on in self._on.items()
        }

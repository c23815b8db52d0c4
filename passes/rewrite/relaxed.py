"""Costs that no choice of rewrites undercuts: what goes from host to host takes the least of all
that may be done about it. Their least total is a lower bound for every program that computes the
same with some nodes run on several hosts, and some values coded on their way.

    m: a > b   sent 8 ms, as int8 2 ms, its node run again on b 1 ms      ->   m: a > b   1 ms

Why it is one: of a schedule in which nodes run more than once, keep the first run of each. Whoever
reads what another run of the node wrote there then has it transferred, for what that run took at
the most, as it took part of that for each of the values that it wrote; who read it decoded has it
for what its coded form took from wherever it came. Nothing else takes longer, and stages only
become fewer.

A stream takes the longest of what its resources take, so that a transfer saved may cost nothing:
there, a value that may be made again is everywhere for nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.machine import Route

#: Value -> route -> what its coded forms take on the way, the least of them.
CodedCosts = Mapping[str, Mapping[Route, float]]


@dataclass(frozen=True)
class Relaxed:
    """`coded_s` are the values that may be coded. Of a table for streams, only nodes that are
    `repeated` run on several hosts; else all may."""

    coded_s: CodedCosts
    streams: bool

    def __call__(self, table: CostTable) -> CostTable:
        costs = _Costs(table, self)
        return replace(table, values=tuple(map(costs.of, table.values)))


def repeated(table: CostTable) -> frozenset[str]:
    """The nodes that take less to run, on the quickest device, than a value that they write takes
    on the slowest way."""
    routes = _ways(table)
    found = set()
    for node in table.nodes:
        sent_s = [
            cost.time_s
            for value in node.outputs
            for route in routes
            if (cost := table.transfer(value, route)) is not None
        ]
        if min(node.run_s.values()) < max(sent_s, default=0.0):
            found.add(node.name)
    return frozenset(found)


def _ways(table: CostTable) -> tuple[Route, ...]:
    """Those from host to host."""
    machine = table.machine
    host_of = {memory.name: memory.host for memory in machine.memories}
    named = dict.fromkeys(
        [*machine.links_on, *(route for value in table.values for route in value.transfer_s)]
    )
    return tuple(route for route in named if host_of[route.source] != host_of[route.target])


@dataclass(frozen=True)
class _Costs:
    table: CostTable
    allowed: Relaxed

    def of(self, value: ValueCosts) -> ValueCosts:
        """From wherever it may be, as another run of its node may have been there."""
        least_s = {target: self._options_s(value.name, target) for target in self._hosts}
        relaxed = {
            Route(source, target): min(options)
            for target, options in least_s.items()
            for source in self._hosts
            if options and self._hosts[source] != self._hosts[target]
        }
        return replace(value, transfer_s={**value.transfer_s, **relaxed}, transfer_spread={})

    @cached_property
    def _routes(self) -> tuple[Route, ...]:
        return _ways(self.table)

    @cached_property
    def _hosts(self) -> Mapping[str, str]:
        """By memory."""
        return {memory.name: memory.host for memory in self.table.machine.memories}

    def _options_s(self, value: str, target: str) -> list[float]:
        routes = [route for route in self._routes if route.target == target]
        sent = [self.table.transfer(value, route) for route in routes]
        coded = self.allowed.coded_s.get(value, {})
        return [
            *(cost.time_s for cost in sent if cost is not None),
            *(coded[route] for route in routes if route in coded),
            *self._again_s(value, target),
        ]

    def _again_s(self, value: str, target: str) -> list[float]:
        name = self.table.producer.get(value)
        node = None if name is None else self.table.node_named[name]
        if node is None or not (there := self._runs_s(node, target)):
            return []
        if not self.allowed.streams:
            return [min(there) / len(node.outputs)]
        return [0.0] if node.name in self._repeated else []

    def _runs_s(self, node: NodeCosts, memory: str) -> list[float]:
        machine = self.table.machine
        return [each for name, each in node.run_s.items() if machine.memory_of(name) == memory]

    @cached_property
    def _repeated(self) -> frozenset[str]:
        return repeated(self.table)

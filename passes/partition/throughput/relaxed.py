"""Costs of a stream over hosts that no choice of rewrites undercuts: a lower bound for every
program that computes the same with some nodes run on several hosts, and some values coded.

    m: a > b   sent 8 ms, as int8 2 ms                       ->   m: a > b   2 ms
    m: a > b   and its node may run on b, too                ->   m: a > b   nothing

A stream takes the longest of what its resources take, so that a transfer that is saved may cost
nothing. Of a stream in which a node works in more than one stage, keep the first: no stage does
more then, and no link carries more than what it is taken to carry here.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass, replace
from functools import cached_property

from stagecut.compiler.ir.costs import CostTable, ValueCosts
from stagecut.compiler.ir.machine import Route
from stagecut.passes.partition.replicated import CodedCosts


@dataclass(frozen=True, slots=True)
class Relaxed:
    """Values that are `coded_s` may be coded; nodes run `once` that do not give the same each
    time."""

    once: Set[str]
    coded_s: CodedCosts

    def __call__(self, table: CostTable) -> CostTable:
        costs = _Costs(table, self.coded_s, repeated(table) - self.once)
        return replace(table, values=tuple(map(costs.of, table.values)))


def repeated(table: CostTable) -> frozenset[str]:
    """The nodes whose weights are less than the largest value that they write, and that take
    less to run, on the quickest device, than one of these takes on the slowest way."""
    found = set()
    for node in table.nodes:
        sent_s = [each for value in node.outputs for each in _sent_s(table, value).values()]
        largest = max((table.value(value).size_bytes for value in node.outputs), default=0)
        is_light = max(map(node.bytes_on, node.run_s)) < largest
        if is_light and min(node.run_s.values()) < max(sent_s, default=0.0):
            found.add(node.name)
    return frozenset(found)


def _sent_s(table: CostTable, value: str) -> dict[Route, float]:
    """By the straight ways from host to host."""
    return {
        route: cost.time_s
        for route in _ways(table)
        if (cost := table.transfer(value, route)) is not None
    }


def _ways(table: CostTable) -> Iterator[Route]:
    memories = table.machine.memories
    for source in memories:
        for target in memories:
            if source.host != target.host:
                yield Route(source.name, target.name)


@dataclass(frozen=True)
class _Costs:
    table: CostTable
    coded_s: CodedCosts
    repeated: Set[str]

    def of(self, value: ValueCosts) -> ValueCosts:
        """From wherever it may be, as another run of its node may have been there."""
        least_s = {target: self._least_s(value.name, target) for target in self._targets}
        relaxed = {
            route: time_s
            for route in _ways(self.table)
            if (time_s := least_s[route.target]) is not None
        }
        return replace(value, transfer_s={**value.transfer_s, **relaxed}, transfer_spread={})

    @cached_property
    def _targets(self) -> tuple[str, ...]:
        return tuple(memory.name for memory in self.table.machine.memories)

    def _least_s(self, value: str, target: str) -> float | None:
        """None where nothing brings it there."""
        if self.table.producer.get(value) in self.repeated:
            return 0.0
        sent_s = _sent_s(self.table, value)
        coded_s = self.coded_s.get(value, {})
        options = [each for route, each in sent_s.items() if route.target == target]
        options += [coded_s[route] for route in coded_s if route.target == target]
        return min(options, default=None)

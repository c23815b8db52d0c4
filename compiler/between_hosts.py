"""A plan over hosts once more, with less for hosts to hand to each other: cheap operators run on
both sides of a link, and within a tolerance values go over it in fewer bytes.

plan -> its transfers -> what would be cheaper -> Program -> plan -> the better one ships
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product, starmap

from stagecut.compiler.answers import Answers
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Graph, Node, Value
from stagecut.compiler.ir.machine import HOST, Route
from stagecut.compiler.ir.measured_machine import MeasuredMachine
from stagecut.compiler.ir.plan import OverLink
from stagecut.compiler.ir.program import Program
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.build import held_out_set
from stagecut.passes.precision.rms import rms
from stagecut.passes.rewrite.again import Again, copied, with_again
from stagecut.passes.rewrite.coded import (
    CODINGS,
    Coded,
    can_be_coded,
    coded_sizes,
    with_codings,
)
from stagecut.passes.stage.extract import Extractor

#: So many values are coded.
_MOST_CODED = 4
#: So often codings are measured together before it is given up.
_MOST_TRIED = 5

#: What gives another result each time.
_CHANGES = ("Random", "Bernoulli", "Multinomial", "Dropout")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """`wire` are values across which nothing may be merged: those that may go over links, now or
    before, so that nodes stay what they were; `told` is what the plan says of it."""

    program: Program
    wire: frozenset[str]
    told: tuple[OverLink, ...]


@dataclass(frozen=True)
class BetweenHosts:
    """Where the nodes of a program are to run: `memories` of each, its home first; it runs again in
    the others. `measurements` are those of the program, and `table` is what it costs."""

    machine: MeasuredMachine
    measurements: Measurements
    table: CostTable
    memories: Mapping[str, tuple[str, ...]]

    def rewritten(self, tolerance: float | None) -> Rewritten | None:
        """None where nothing would be cheaper. Without a tolerance, no value is coded."""
        copies = [each for memory in self._all_memories for each in self._copied(memory)]
        program = with_again(self.measurements.program, [each for each, _ in copies])
        coded = [] if tolerance is None else self._codings(program, tolerance)
        program, wire = with_codings(program, [each for each, _ in coded])
        told = (*(said for _, each in copies for said in each), *(said for _, said in coded))
        own = {value.name for value in self._graph.values}
        again = {copied(name, at) for at, _ in enumerate(copies) for name in own}
        return Rewritten(program, wire | own | again, told) if told else None

    @property
    def _graph(self) -> Graph:
        return self.measurements.graph

    @property
    def _all_memories(self) -> Sequence[str]:
        return [memory.name for memory in self.table.machine.memories]

    @cached_property
    def _transfers(self) -> Sequence[tuple[Value, Route, float]]:
        """What nodes have from other hosts, with what that takes; the longest first."""
        found = []
        for value in self._graph.values:
            if value.name not in self._graph.producer:
                continue
            for memory in self._all_memories:
                if memory in self._made_in(value.name) or not self._readers(value.name, memory):
                    continue
                if (way := self._way(value.name, memory)) is not None:
                    found.append((value, *way))
        return sorted(found, key=lambda each: -each[2])

    def _made_in(self, value: str) -> tuple[str, ...]:
        if value not in self._graph.producer:
            return (HOST,)
        return self.memories[self._graph.nodes[self._graph.producer[value]].name]

    def _way(self, value: str, memory: str) -> tuple[Route, float] | None:
        """The cheapest from where it is made, with what it takes; None where there is no link."""
        found = []
        for source in self._made_in(value):
            route = Route(source, memory)
            cost = self.table.transfer(value, route)
            if route in self.machine.ways and cost is not None:
                found.append((route, cost.time_s))
        return min(found, key=lambda each: each[1], default=None)

    def _readers(self, value: str, memory: str) -> tuple[str, ...]:
        """The operators that read it there, where they are at home."""
        users = (self._graph.nodes[at] for at in self._graph.users.get(value, ()))
        return tuple(
            operator.name
            for node in users
            if self.memories[node.name][0] == memory
            for operator in node.operators
            if any(read.name == value for read in operator.reads)
        )

    def _copied(self, memory: str) -> Iterator[tuple[Again, list[OverLink]]]:
        """What runs again there, for those who are at home there."""
        nodes = [node for node in self._graph.nodes if memory in self.memories[node.name][1:]]
        written = [value.name for node in nodes for value in node.outputs]
        readers = {name: found for name in written if (found := self._readers(name, memory))}
        operators = _needed(nodes, readers)
        if operators:
            told = [self._told(nodes, name, memory) for name in readers]
            yield Again(operators, readers), [each for each in told if each is not None]

    def _told(self, nodes: Sequence[Node], value: str, memory: str) -> OverLink | None:
        """Of the `nodes` that run again there, those that the value comes from take their time, and
        so does what they alone read. None where there is no link with which to compare it."""
        operators = {*_needed(nodes, [value])}
        own = [node for node in nodes if operators & {each.name for each in node.operators}]
        took_s = sum(self._run_s(node.name, memory) for node in own)
        read = dict.fromkeys(each.name for node in own for each in node.inputs)
        fetched = [self._way(name, memory) for name in read if not self._is_there(name, memory)]
        sent = self._way(value, memory)
        if sent is None or None in fetched:
            return None
        took_s += sum(way[1] for way in fetched if way is not None)
        return OverLink(value, "run again", sent[1], took_s, 0.0)

    def _is_there(self, value: str, memory: str) -> bool:
        return memory in self._made_in(value) or bool(self._readers(value, memory))

    def _run_s(self, node: str, memory: str) -> float:
        """On the fastest device there."""
        run_s, machine = self.table.node_named[node].run_s, self.table.machine
        return min(each for name, each in run_s.items() if machine.memory_of(name) == memory)

    def _codings(self, program: Program, tolerance: float) -> list[tuple[Coded, OverLink]]:
        """Those that gain the most, of which the errors, measured together, are within the
        tolerance."""
        options = self._options(program)
        for chosen in _by_gain(options, tolerance):
            off = self._off_together(program, chosen)
            if off is not None and off <= tolerance:
                return chosen
        return []

    def _off_together(
        self, program: Program, chosen: Sequence[tuple[Coded, OverLink]]
    ) -> float | None:
        """What one makes alone is known."""
        if len(chosen) < 2:
            return sum(told.error for _, told in chosen)
        return self._off_by(program, [coded for coded, _ in chosen])

    def _options(self, program: Program) -> list[list[tuple[Coded, OverLink]]]:
        """For each value that would gain, its codings with the error that each makes alone."""
        left_out = {each.name for each in self._graph.outputs}
        found: list[list[tuple[Coded, OverLink]]] = []
        for value, route, time_s in self._transfers:
            if value.name in left_out or len(found) == _MOST_CODED:
                continue
            own = []
            for coding in CODINGS:
                if not can_be_coded(value, coding):
                    continue
                link = self.machine.ways[route]
                took_s = sum(map(link.transfer_s, coded_sizes(value, coding)))
                coded = Coded(value.name, coding, self._readers(value.name, route.target))
                off = self._off_by(program, [coded]) if took_s < time_s else None
                if off is not None:
                    own.append((coded, OverLink(value.name, coding, time_s, took_s, off)))
            if own:
                found.append(own)
        return found

    def _off_by(self, program: Program, codings: Sequence[Coded]) -> float | None:
        """The relative rms error at the outputs, on held-out samples; None where the reference
        cannot tell."""
        measurements = self.measurements
        coded, _ = with_codings(program, codings)
        extract = Extractor(coded, measurements.weights)
        own = Answers(measurements.context, coded, graph_of(coded), extract).reference
        right = measurements.answers.reference
        held_out = starmap(held_out_set, enumerate(measurements.answers.split.held_out))
        sets = [*held_out] or [right.samples]
        try:
            return rms([(own.outputs(each), right.outputs(each)) for each in sets])
        except EngineError:
            return None


def changing(graph: Graph) -> frozenset[str]:
    """The nodes that may run once only: they give another result each time, or hold other graphs,
    which are not copied."""
    return frozenset(
        node.name
        for node in graph.nodes
        if any(each.captured or each.op.startswith(_CHANGES) for each in node.operators)
    )


def _needed(nodes: Sequence[Node], values: Iterable[str]) -> tuple[str, ...]:
    """The operators of these that the values come from, in their order."""
    wanted, found = {*values}, []
    for operator in reversed([operator for node in nodes for operator in node.operators]):
        if not wanted.isdisjoint(each.name for each in operator.writes):
            found.append(operator.name)
            wanted |= {each.name for each in operator.reads}
    return tuple(reversed(found))


def _by_gain(
    options: Sequence[Sequence[tuple[Coded, OverLink]]], tolerance: float
) -> Iterator[list[tuple[Coded, OverLink]]]:
    """Which to code and how, the largest gain first; of errors that nothing connects, squares add
    up. At last none."""
    ways = [
        [each for each in choice if each is not None]
        for choice in product(*([None, *own] for own in options))
    ]
    within = [way for way in ways if sum(told.error**2 for _, told in way) <= tolerance**2]
    within.sort(key=lambda way: -sum(told.sent_s - told.taken_s for _, told in way))
    yield from within[:_MOST_TRIED]
    yield []

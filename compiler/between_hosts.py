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
from stagecut.compiler.ir.plan import OverLink, PlannedVariant
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.schedule import Transfer
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.build import held_out_set
from stagecut.passes.precision.rms import rms
from stagecut.passes.rewrite.again import Again, with_again
from stagecut.passes.rewrite.coded import (
    CODINGS,
    Coded,
    can_be_coded,
    coded_bytes,
    with_codings,
)
from stagecut.passes.stage.extract import Extractor

#: So many nodes are run again for one value at the most, and so many values are coded.
_MOST_NODES, _MOST_CODED = 8, 4
#: So often codings are measured together before it is given up.
_MOST_TRIED = 5

#: What gives another result each time.
_CHANGES = ("Random", "Bernoulli", "Multinomial", "Dropout")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """`wire` are values that go over links, across which nothing may be merged; `told` is what the
    plan says of it."""

    program: Program
    wire: frozenset[str]
    told: tuple[OverLink, ...]


@dataclass(frozen=True)
class BetweenHosts:
    """Of one plan: `measurements` are those that it was made from, and `table` is what it costs."""

    machine: MeasuredMachine
    measurements: Measurements
    table: CostTable
    planned: PlannedVariant

    def rewritten(self, tolerance: float | None) -> Rewritten | None:
        """None where nothing would be cheaper. Without a tolerance, no value is coded."""
        copies = [*self._copies()]
        again = {each.value for each, _ in copies}
        program = with_again(self.measurements.program, [each for each, _ in copies])
        coded = [] if tolerance is None else self._codings(program, again, tolerance)
        program, wire = with_codings(program, [each for each, _ in coded])
        told = (*(said for _, said in copies), *(said for _, said in coded))
        return Rewritten(program, wire, told) if told else None

    @property
    def _graph(self) -> Graph:
        return self.measurements.graph

    @cached_property
    def _memory_of(self) -> Mapping[str, str]:
        """Of each node."""
        machine = self.planned.machine
        devices = self.planned.schedule.device_of
        return {node: machine.memory_of(device) for node, device in devices.items()}

    @cached_property
    def _transfers(self) -> Sequence[tuple[Transfer, Value, float]]:
        """What goes from host to host, with what that takes; the longest first."""
        values = {value.name: value for value in self._graph.values}
        found = [
            (step, values[step.value], cost.time_s)
            for step, cost in zip(
                self.planned.schedule.steps, self.planned.account.steps, strict=True
            )
            if isinstance(step, Transfer) and step.value in self._graph.producer
        ]
        return sorted(found, key=lambda each: -each[2])

    def _readers(self, value: str, memory: str) -> tuple[str, ...]:
        """The operators there that read it."""
        return tuple(
            operator.name
            for node in self._graph.nodes
            if self._memory_of[node.name] == memory
            for operator in node.operators
            if any(read.name == value for read in operator.reads)
        )

    def _copies(self) -> Iterator[tuple[Again, OverLink]]:
        """Of what is read where it is made, too: all else can be placed where it is read."""
        for step, value, time_s in self._transfers:
            readers = self._readers(value.name, step.route.target)
            if not self._readers(value.name, step.route.source):
                continue
            found = self._cone(value.name, step.route.target) if readers else None
            if found is None or found[1] >= time_s:
                continue
            operators, took_s = found
            told = OverLink(value.name, "run again", time_s, took_s, 0.0)
            yield Again(value.name, operators, readers), told

    def _cone(self, value: str, memory: str) -> tuple[tuple[str, ...], float] | None:
        """The operators that make the value from what is there, or from inputs, and what that
        takes; None where they are too many, or no link brings the inputs."""
        graph, inputs = self._graph, {each.name for each in self._graph.inputs}
        there = self._lying_in(memory)
        nodes: dict[int, Node] = {}
        brought: set[str] = set()
        waiting = [value]
        while waiting:
            name = waiting.pop()
            if name in inputs:
                brought |= {name} - there
            elif name not in there or name == value:
                at = graph.producer[name]
                if at not in nodes:
                    nodes[at] = graph.nodes[at]
                    waiting += [each.name for each in graph.nodes[at].inputs]
            if len(nodes) > _MOST_NODES:
                return None
        operators = _needed([nodes[at] for at in sorted(nodes)], value)
        took_s = self._run_s(nodes.values(), memory) if operators else None
        sizes = [each.size_bytes for each in graph.inputs if each.name in brought]
        way = self.machine.ways.get(Route(HOST, memory))
        if took_s is None or (sizes and way is None):
            return None
        sent_s = 0.0 if way is None else sum(map(way.transfer_s, sizes))
        return operators, took_s + sent_s

    def _lying_in(self, memory: str) -> set[str]:
        """What is made there, or brought there anyway, by values that are no node's but inputs."""
        made = {
            value.name
            for node in self._graph.nodes
            if self._memory_of[node.name] == memory
            for value in node.outputs
        }
        inputs = {each.name for each in self._graph.inputs}
        steps = self.planned.schedule.transfers
        brought = {step.value for step in steps if step.route.target == memory}
        return made | (inputs if memory == HOST else inputs & brought)

    def _run_s(self, nodes: Iterable[Node], memory: str) -> float | None:
        """On the fastest device there; None where a node runs on none."""
        machine, total_s = self.planned.machine, 0.0
        for node in nodes:
            run_s = self.table.node_named[node.name].run_s
            there = [each for name, each in run_s.items() if machine.memory_of(name) == memory]
            if not there:
                return None
            total_s += min(there)
        return total_s

    def _codings(
        self, program: Program, again: set[str], tolerance: float
    ) -> list[tuple[Coded, OverLink]]:
        """Those that gain the most, of which the errors, measured together, are within the
        tolerance."""
        options = self._options(program, again)
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

    def _options(self, program: Program, again: set[str]) -> list[list[tuple[Coded, OverLink]]]:
        """For each value that would gain, its codings with the error that each makes alone."""
        left_out = {each.name for each in self._graph.outputs} | again
        found: list[list[tuple[Coded, OverLink]]] = []
        for step, value, time_s in self._transfers:
            readers = self._readers(value.name, step.route.target)
            if value.name in left_out or not readers or len(found) == _MOST_CODED:
                continue
            own = []
            for coding in CODINGS:
                if not can_be_coded(value, coding):
                    continue
                took_s = self.machine.ways[step.route].transfer_s(coded_bytes(value, coding))
                coded = Coded(value.name, coding, readers)
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


def _needed(nodes: Sequence[Node], value: str) -> tuple[str, ...]:
    """The operators of these that `value` comes from, in their order; none where one of them cannot
    be run once more."""
    operators = [operator for node in nodes for operator in node.operators]
    wanted, found = {value}, []
    for operator in reversed(operators):
        if wanted.isdisjoint(each.name for each in operator.writes):
            continue
        if operator.captured or operator.op.startswith(_CHANGES):
            return ()
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

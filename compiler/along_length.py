"""How the best schedule of a decode step changes with the length of the sequence, for the report,
and from which length on each of its variants runs.

the step at the shortest, the measured and the longest length -> CostsByLength -> LengthSweep

The step at another length is the open model bound to it; its weights are those of the plan.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import onnx_ir as ir

from stagecut.compiler.decide import expanded_without
from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.frontends.normal_form.normalise import bind
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.along_length import AlongLength, BestFrom
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.costs_by_length import CostsByLength
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.state import behind
from stagecut.compiler.question import Question
from stagecut.passes.profile.by_length import by_length
from stagecut.passes.sweep.lengths import LengthCurve, LengthSweep

#: How long each partition may search.
_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class StepsAlongLength:
    """`program` is the step at the length that the plan was made for, with its `weights`; `opened`
    the model with open dimensions, with those of all other lengths."""

    question: Question
    program: Program
    weights: WeightFile
    opened: ir.Model
    opened_weights: WeightFile

    def __call__(
        self, own: Sequence[Schedule], lengths: Sequence[int]
    ) -> tuple[AlongLength, tuple[int, ...]] | None:
        """Of the plan's `own` schedules, made for these lengths, with those from which on each but
        the first runs. None where nothing could be better: each node has one device; and where a
        step cannot be profiled or placed at another length, which is told."""
        try:
            costs = self._costs()
            return None if costs is None else self._along(costs, own, lengths)
        except StagecutError as error:  # the plan does without it
            self.question.context.settings.warn(f"along the length: {error.problem}")
            return None

    def _along(
        self, costs: CostsByLength, own: Sequence[Schedule], lengths: Sequence[int]
    ) -> tuple[AlongLength, tuple[int, ...]]:
        """Raises StagecutError where a schedule cannot be had at one of the lengths."""
        objective = self.question.objective
        curve = LengthSweep(objective, _LIMIT_S)(costs)
        totals = [partial(_total, costs, schedule, self.question) for schedule in own]
        switches = tuple(switches_of(totals, lengths, costs.lengths))

        def own_total(length: float) -> float:
            return totals[bisect_right(switches, length)](length)

        best = tuple(_best(curve, own_total))
        return AlongLength(costs.lengths, costs.misfit(), best), switches

    def _costs(self) -> CostsByLength | None:
        tables: dict[int, CostTable] = {}
        graphs: dict[int, Graph] = {}
        here = self.program.feeds[self.program.states[0]].shape[0]
        for length in sorted({here, *self.question.lengths}):
            program, weights = self.program, self.weights
            if length != here:
                feeds = behind(self.program.feeds, self.program.states, length)
                program = replace(
                    bind(self.opened, feeds, self.program.source), states=self.program.states
                )
                weights = self.opened_weights
            measurements, expanded = self.question.placed(program, weights, self.opened)
            if all(len(devices) < 2 for devices in expanded.candidates.values()):
                return None
            profiled = self.question.profiled(measurements.on_samples_that_run(), expanded)
            expanded = expanded_without(expanded, profiled.faults)
            tables[length], graphs[length] = profiled.costs, expanded.graph
        costs = by_length(tables, graphs)
        return replace(costs, tables=tuple(map(self.question.restrict, costs.tables)))


def _total(costs: CostsByLength, schedule: Schedule, question: Question, length: float) -> float:
    return account(costs.at(length), schedule).total(question.objective)


def switches_of(
    totals: Sequence[Callable[[float], float]], lengths: Sequence[int], known: Sequence[int]
) -> Iterator[int]:
    """From which length on each variant but the first runs: as far ahead of the length that it was
    made for as it is no worse than the one before it. Totals are lines between lengths that are
    `known`, the variants' own among them."""
    for (one, other), (short, long) in zip(pairwise(totals), pairwise(lengths), strict=True):
        between = [length for length in known if short <= length <= long]
        yield max(short + 1, _no_worse_from(partial(_worse_by, one, other), between))


def _worse_by(
    one: Callable[[float], float], other: Callable[[float], float], length: float
) -> float:
    return other(length) - one(length)


def _no_worse_from(worse_by: Callable[[float], float], known: Sequence[int]) -> int:
    """The least whole length from which on nothing is lost up to the last one that is known."""
    for low, high in reversed([*pairwise(known)]):
        before, behind = worse_by(low), worse_by(high)
        if behind > 0:
            return high
        if before > 0:
            return math.ceil(low + (high - low) * before / (before - behind))
    return known[0]


def _best(curve: LengthCurve, own_total: Callable[[float], float]) -> Iterator[BestFrom]:
    """Whole numbers of tokens: a schedule is the best from the first at which it is no worse on."""
    for stretch in curve.stretches:
        low, high = math.ceil(stretch.low), math.floor(stretch.high)
        if low > high:
            continue
        placed = [*stretch.solution.assignment.devices.values()]
        devices: Mapping[str, int] = {name: placed.count(name) for name in dict.fromkeys(placed)}
        ends = stretch.corners[0], stretch.corners[-1]
        own = tuple(own_total(at) for at, _ in ends)
        yield BestFrom(low, high, (ends[0][1], ends[1][1]), (own[0], own[1]), devices)

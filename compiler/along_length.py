"""How the best schedule of a decode step changes with the length of the sequence, for the report.

the step at the shortest, the measured and the longest length -> CostsByLength -> LengthSweep

The step at another length is the open model bound to it; its weights are those of the plan.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import onnx_ir as ir

from stagecut.compiler.decide import expanded_without
from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.frontends.normal_form.normalise import bind
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.along_length import AlongLength, BestFrom
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.costs_by_length import CostsByLength
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.state import CACHE_POSITIONS, MASK, POSITIONS, positional
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

    def __call__(self, own: Schedule) -> AlongLength | None:
        """None where nothing could be better: each node has one device; and where a step cannot be
        profiled or placed at another length, which is told."""
        try:
            costs = self._costs()
            return None if costs is None else self._along(costs, own)
        except StagecutError as error:  # the plan does without it
            self.question.context.settings.warn(f"along the length: {error.problem}")
            return None

    def _along(self, costs: CostsByLength, own: Schedule) -> AlongLength:
        """Raises StagecutError where a schedule cannot be had at one of the lengths."""
        objective = self.question.objective
        curve = LengthSweep(objective, _LIMIT_S)(costs)
        own_total = partial(_total, costs, own, self.question)
        return AlongLength(costs.lengths, costs.misfit(), tuple(_best(curve, own_total)))

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


def behind(feeds: Feeds, states: Sequence[str], length: int) -> Feeds:
    """The inputs of a step behind another number of tokens: states begin again, or end sooner."""
    placed = [feeds[name].shape for name in (POSITIONS, CACHE_POSITIONS) if name in feeds]
    tokens = placed[0][-1] if placed else 1
    rows = next((feeds[name].shape[0] for name in (POSITIONS, MASK) if name in feeds), 1)
    held = {name: np.resize(feeds[name], (length, *feeds[name].shape[1:])) for name in states}
    dtypes = {name: array.dtype for name, array in feeds.items()}
    return {**feeds, **held, **positional(dtypes, np.ones((rows, length + tokens), bool), tokens)}


def _total(costs: CostsByLength, schedule: Schedule, question: Question, length: float) -> float:
    return account(costs.at(length), schedule).total(question.objective)


def _best(curve: LengthCurve, own_total: partial[float]) -> Iterator[BestFrom]:
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

"""Several inputs in one call: how many are worth it, and whether each comes out as it does alone.

    x: [batch, 32]    sample [1, 32]    tried [2, 32], [4, 32], ... until two sizes in a row are no
                                        faster for whole replicas than the best before them

Products of small matrices are faster together; others are not, and everything waits for the last
one of its batch. Rows of the first dimension need not be independent of each other in a model: so
stacked inputs have to come out as they do one by one, on the reference, before they are batched.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from stagecut.compiler.answers import Answers
from stagecut.compiler.frontends.normal_form.normalise import bind
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import EngineError, StagecutError
from stagecut.compiler.ir.objective import THROUGHPUT
from stagecut.compiler.ir.plan import (
    Contender,
    ContenderKind,
    PlannedVariant,
)
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.whole_replicas import whole_replicas
from stagecut.passes.gate.further_inputs import SAMPLES, InputSet
from stagecut.passes.gate.gate import choose
from stagecut.passes.gate.reference import Reference
from stagecut.passes.partition.restrict import Restrict
from stagecut.runtime.stream.full import FEW

#: So many inputs may run in one call where nothing is said.
USUAL_BATCH = 8

#: Where inputs follow each other faster, what each costs by itself on its way (about 30 us of
#: Python) decides, and batches come full too seldom.
LEAST_S = 2e-4

#: A larger batch has to be faster by this part.
_WORTH = 0.03

#: After so many sizes in a row that are no faster, none larger is tried: one turn may mislead.
_MOST_MISSES = 2


@dataclass(frozen=True, slots=True)
class Batches:
    """Of the inputs of `planned`, a variant that streams one by one; `opened` is the model with its
    open dimensions, `placed` brings a program as far as it can be measured. At most `most` inputs
    are run in one call."""

    planned: PlannedVariant
    measurements: Measurements
    opened: ir.Model
    placed: Callable[[Program], tuple[Measurements, ExpandedGraph]]
    most: int
    tolerance: float | None
    restrict: Restrict
    limits: tuple[Limit, ...]

    def best(self) -> tuple[int, Program] | None:
        """The size with which whole replicas are fastest, and the program of such a batch; None
        where one input at a time is as good."""
        found = None
        best_s = self.planned.shipped.median_s
        if best_s < LEAST_S:
            return None
        size, misses = 2, 0
        while (
            size <= self.most
            and misses < _MOST_MISSES
            and not self.measurements.answers.reference.problem
        ):
            try:
                program = self._stacked(size)
                measurements, expanded = self.placed(program)
                if measurements.answers.reference.problem:
                    break
                if not self._come_out_alike(measurements.answers, size):
                    self.measurements.context.settings.warn(
                        "inputs are run one by one: stacked, they do not come out as they do alone"
                    )
                    break
                self.restrict.check(expanded)
                period_s = self._period_s(measurements, expanded, size, (1 - _WORTH) * best_s)
            except StagecutError:  # the model, or every engine, refuses this size
                break
            if period_s == math.inf:
                misses += 1
            else:
                found, best_s, misses = (size, program), period_s, 0
            size *= 2
        return found

    def _period_s(
        self, measurements: Measurements, expanded: ExpandedGraph, size: int, most_s: float
    ) -> float:
        """By input; infinite where it is more than `most_s`, or inputs would wait longer than they
        may. As many inputs run as where they run one by one."""
        least = math.ceil(FEW / size)
        run = whole_replicas(
            measurements, expanded, self.tolerance, self.restrict, most_s * size, least
        )
        if run is None or run.period_s > most_s * size:
            return math.inf
        period_s = run.period_s / size
        latency_s = math.fsum(run.call_s) + (size - 1) * period_s
        kept = all(limit.allows(latency_s) for limit in self.limits if limit.name == "latency")
        return period_s if kept else math.inf

    def _stacked(self, size: int) -> Program:
        """The program of `size` inputs, with different ones for samples: none that are stretched
        or hold no numbers, which may take longer than others."""
        base = self.measurements.program
        feeds = _stack(self._usual(size))
        bound = bind(self.opened, feeds, base.source)
        return replace(
            bound,
            name=base.name,
            called=base.called,
            defaults=base.defaults,
            carried=base.carried,
        )

    def _usual(self, size: int) -> Sequence[InputSet]:
        sets = self.measurements.answers.reference.sets
        usual = [each for each in sets if not each.stretched and not each.numbers]
        return [usual[at % len(usual)] for at in range(size)]

    def _come_out_alike(self, together: Answers, size: int) -> bool:
        """Whether each input comes out as it does alone, stacked with others, on the reference."""
        alone = self.measurements.answers
        return all(
            self._is_alike(alone, together.reference, parts)
            for parts in _batches(alone.reference.sets, size)
        )

    def _is_alike(self, alone: Answers, together: Reference, parts: Sequence[InputSet]) -> bool:
        names = [part.name for part in parts]
        known = names == [part.name for part in self._usual(len(parts))]
        stacked = InputSet(SAMPLES if known else ", ".join(names), _stack(parts))
        outputs = together.once(stacked)
        if isinstance(outputs, str):
            raise EngineError(outputs, where=stacked.name)
        expected = alone.reference.outputs(alone.reference.samples)
        if any(len(outputs[key]) != len(parts) * len(expected[key]) for key in expected):
            return False
        return not any(
            alone.reference.flaw(part, _rows(outputs, at, len(parts)), alone.usual_limit)
            for at, part in enumerate(parts)
        )


def _batches(sets: Sequence[InputSet], size: int) -> Iterator[Sequence[InputSet]]:
    """`size` at a time, so that each stands beside others: very large ones beside usual ones show
    what a scale or a limit over all of a batch would hide."""
    for first in range(0, len(sets), size - 1):
        yield [sets[0], *(sets[(first + at) % len(sets)] for at in range(1, size))]


def _stack(parts: Sequence[InputSet]) -> Feeds:
    names = parts[0].feeds
    return {name: np.concatenate([part.feeds[name] for part in parts]) for name in names}


def _rows(outputs: Feeds, at: int, size: int) -> Feeds:
    """The part of the outputs that belongs to the input `at` of `size`."""
    found = {}
    for name, tensor in outputs.items():
        rows = len(tensor) // size
        found[name] = tensor[at * rows : (at + 1) * rows]
    return found


def with_batches(
    planned: PlannedVariant, batched: PlannedVariant, size: int, limits: Sequence[Limit] = ()
) -> PlannedVariant:
    """The variant that streams its inputs one by one or, where that was seen to be faster and keeps
    to the limits, up to `size` in a call, in which `batched` runs.

    What was seen of batches is said by input; each waits until its batch is full.
    """
    together = batched.stream
    if together is None:
        raise AssertionError("it was made to stream")
    period_s = together.period_s / size
    latency_s = together.latency_s + (size - 1) * period_s
    kept = all(limit.allows(latency_s) for limit in limits if limit.name == "latency")
    if not kept or not is_faster(batched, planned, size) or not same_threads(planned, batched):
        return planned
    contenders = [
        *(replace(each, chosen=False) for each in planned.contenders),
        *(_by_input(each, size) for each in batched.contenders),
    ]
    proof = batched.certificate
    return replace(
        planned,
        contenders=choose(contenders, THROUGHPUT),
        certificate=replace(
            proof,
            total=proof.total / size,
            lower_bound=proof.lower_bound / size,
            statement=f"of batches of {size}, {proof.claim}",
        ),
        stream=replace(
            together, batch=size, period_s=period_s, latency_s=latency_s, another=None, front=()
        ),
    )


def with_rivals(planned: PlannedVariant, others: PlannedVariant) -> PlannedVariant:
    """The variant with the whole replicas that only `others` had, too; none of them is chosen."""
    known = {contender.id for contender in planned.contenders}
    more = (
        replace(each, also=(), chosen=False, trace=None)
        for each in others.contenders
        if each.id not in known and each.id.kind is ContenderKind.SINGLE
    )
    return replace(planned, contenders=(*planned.contenders, *more))


def is_faster(batched: PlannedVariant, planned: PlannedVariant, size: int) -> bool:
    """Whether batches were clearly seen to take less time by input."""
    return batched.shipped.high_s / size < planned.shipped.low_s


def same_threads(planned: PlannedVariant, batched: PlannedVariant) -> bool:
    """Whether the threads that run single inputs are those that run batches: as many replicas of
    as many stages, on the same devices. A stream has one set of threads for both."""
    if planned.stream is None or batched.stream is None:
        return False
    devices = [[stage.device for stage in each.schedule.stages] for each in (planned, batched)]
    return planned.stream.replicas == batched.stream.replicas and devices[0] == devices[1]


def _by_input(contender: Contender, size: int) -> Contender:
    """Its times for one of the `size` inputs of each call."""
    return replace(
        contender,
        id=replace(contender.id, batch=size),
        also=tuple(replace(each, batch=size) for each in contender.also),
        median_s=contender.median_s / size,
        min_s=contender.min_s / size,
        max_s=contender.max_s / size,
        low_s=contender.low_s / size,
        high_s=contender.high_s / size,
        predicted_s=contender.predicted_s / size,
        cpu_s=None if contender.cpu_s is None else contender.cpu_s / size,
        energy_j=None if contender.energy_j is None else contender.energy_j / size,
        stage_s=(),
        chosen=False,
        why="",
    )

"""Several inputs in one call: how many are worth it, and whether each comes out as it does alone.

    x: [batch, 32]    sample [1, 32]    tried [2, 32], [4, 32], ... on each device that runs all,
                                        for as long as more inputs bring it anything

    [1, 32] a turn   [2, 32] a turn   [1, 32] a turn   [4, 32] a turn ...

    [2, 32] and [4, 32] in turns        where these do not tell which is the best (size_race.py)

Products of small matrices are faster together; others are not, and everything waits for the last
one of its batch. Rows of the first dimension need not be independent of each other in a model: so
stacked inputs have to come out as they do one by one, on the reference, before they are batched.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from stagecut.compiler.answers import Answers
from stagecut.compiler.call_times import WORTH, CallTimes
from stagecut.compiler.frontends.normal_form.normalise import bind
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import EngineError, StagecutError
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.ir.stream_certificate import LATENCY, Limit
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.one_by_one import OneByOne, least_s, periods_s
from stagecut.compiler.size_race import Sized, SizeRace
from stagecut.compiler.whole_replicas import Replicas, proposals_of, whole_replicas
from stagecut.passes.gate.further_inputs import SAMPLES, InputSet
from stagecut.passes.gate.reference import Reference
from stagecut.passes.gate.stream_gate import NEAR
from stagecut.passes.partition.restrict import Restrict
from stagecut.runtime.stream.full import FEW

#: So many inputs may run in one call where nothing is said.
USUAL_BATCH = 8

#: Where inputs follow each other faster, what each costs by itself on its way (about 30 us of
#: Python) decides, and batches come full too seldom.
LEAST_S = 2e-4


@dataclass(frozen=True, slots=True)
class Found:
    """The `size` with which whole replicas are fastest, the `program` of such a batch, and the
    devices that are `near` the fastest with it; a size of one, and no program, where one input at a
    time is as good. `tried` says what was seen of each size, and what was not tried; `widest` is
    the largest whose inputs came out as they do alone."""

    size: int = 1
    program: Program | None = None
    near: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    widest: Sized | None = None


@dataclass(frozen=True, slots=True)
class Batches:
    """Of the inputs of `planned`, a variant that streams one by one, whose program is `measured`
    and `expanded`; `opened` is the model with its open dimensions, `measurable` brings a program
    as far as it can be measured. At most `most` inputs are run in one call."""

    planned: PlannedVariant
    measurements: Measurements
    expanded: ExpandedGraph
    opened: ir.Model
    measurable: Callable[[Program], tuple[Measurements, ExpandedGraph]]
    most: int
    tolerance: float | None
    restrict: Restrict
    limits: tuple[Limit, ...]

    def best(self) -> Found:
        found = Found()
        if self.planned.shipped.median_s < LEAST_S:
            return found
        proposals = proposals_of(self.expanded, self.restrict)
        alone = OneByOne.of(self.planned, self.measurements, proposals)
        before_s = periods_s(self.planned)
        calls = CallTimes(self.most).with_calls(1, least_s(self.planned))
        best, size = 1.0, 2
        sizes: list[Sized] = []
        while (
            size <= self.most
            and (not before_s or min(before_s.values()) < math.inf)
            and not self.measurements.answers.reference.problem
        ):
            try:
                program = self._stacked(size)
                measurements, expanded = self.measurable(program)
                if measurements.answers.reference.problem:
                    break
                if not self._come_out_alike(measurements.answers, size):
                    self.measurements.context.settings.warn(
                        "inputs are run one by one: stacked, they do not come out as they do alone"
                    )
                    break
                self.restrict.check(expanded)
                seen, alone_s = self._beside(alone, measurements, expanded, size, best, before_s)
            except StagecutError:  # the model, or every engine, refuses this size
                break
            sized = Sized(size, program, seen, alone_s)
            found = replace(found, tried=(*found.tried, _told(sized)), widest=sized)
            if self._kept(seen.run, size):
                sizes.append(sized)
                if seen.run is not None:
                    best = sized.part
            calls = calls.with_calls(size, seen.least_s)
            before_s = calls.known_s(best * alone_s)
            size *= 2
        return self._best_of(sizes, found) if best < 1 else found

    def _best_of(self, sizes: Sequence[Sized], found: Found) -> Found:
        """With the best of these sizes, of which one is faster than single inputs."""
        settings = self.measurements.context.settings
        best, told = SizeRace(self.measurable, self.restrict, settings).best(sizes)
        return replace(
            found,
            size=best.size,
            program=best.program,
            near=_near(best.seen),
            tried=(*found.tried, *told),
        )

    def _beside(
        self,
        alone: OneByOne | None,
        measurements: Measurements,
        expanded: ExpandedGraph,
        size: int,
        best: float,
        before_s: Mapping[str, float],
    ) -> tuple[Replicas, float]:
        """What replicas do, and the period of single inputs right before; once more where it was
        other work that kept them from being faster than the `best` part of that."""
        for is_last in (False, True):
            alone_s = self.planned.shipped.median_s if alone is None else alone.period_s()
            most_s = (1 - WORTH) * best * alone_s * size
            seen = self._seen(measurements, expanded, size, most_s, before_s)
            least_s = min(seen.least_s.values(), default=math.inf)
            if is_last or seen.run is not None or least_s > most_s:
                break
        return seen, alone_s

    def _seen(
        self,
        measurements: Measurements,
        expanded: ExpandedGraph,
        size: int,
        most_s: float,
        before_s: Mapping[str, float],
    ) -> Replicas:
        """As many inputs run as where they run one by one."""
        least = math.ceil(FEW / size)
        return whole_replicas(
            measurements, expanded, self.tolerance, self.restrict, most_s, least, before_s
        )

    def _kept(self, run: StreamRun | None, size: int) -> bool:
        """Whether no input waits longer than it may; of what was no faster that is not known."""
        limits = [limit for limit in self.limits if limit.name == LATENCY]
        if run is None:
            return not limits
        latency_s = math.fsum(run.call_s) + (size - 1) * run.period_s / size
        return all(limit.allows(latency_s) for limit in limits)

    def _stacked(self, size: int) -> Program:
        """The program of `size` inputs, with different ones for samples: none that are stretched
        or hold no numbers, which may take longer than others."""
        base = self.measurements.program
        feeds = stack(usual(self.measurements.answers.reference, size))
        bound = bind(self.opened, feeds, base.source)
        return replace(
            bound,
            name=base.name,
            called=base.called,
            defaults=base.defaults,
            carried=base.carried,
        )

    def _come_out_alike(self, together: Answers, size: int) -> bool:
        """Whether each input comes out as it does alone, stacked with others, on the reference."""
        alone = self.measurements.answers
        return all(
            self._is_alike(alone, together.reference, parts)
            for parts in _batches(alone.reference.sets, size)
        )

    def _is_alike(self, alone: Answers, together: Reference, parts: Sequence[InputSet]) -> bool:
        names = [part.name for part in parts]
        known = names == [part.name for part in usual(alone.reference, len(parts))]
        stacked = InputSet(SAMPLES if known else ", ".join(names), stack(parts))
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


def usual(reference: Reference, size: int) -> Sequence[InputSet]:
    """So many inputs to stack: none that are stretched or hold no numbers, which may take longer
    than others; the same ones again where there are fewer."""
    found = [each for each in reference.sets if not each.stretched and not each.numbers]
    return [found[at % len(found)] for at in range(size)]


def _batches(sets: Sequence[InputSet], size: int) -> Iterator[Sequence[InputSet]]:
    """`size` at a time, so that each stands beside others: very large ones beside usual ones show
    what a scale or a limit over all of a batch would hide."""
    for first in range(0, len(sets), size - 1):
        yield [sets[0], *(sets[(first + at) % len(sets)] for at in range(1, size))]


def stack(parts: Sequence[InputSet]) -> Feeds:
    names = parts[0].feeds
    return {name: np.concatenate([part.feeds[name] for part in parts]) for name in names}


def _rows(outputs: Feeds, at: int, size: int) -> Feeds:
    """The part of the outputs that belongs to the input `at` of `size`."""
    found = {}
    for name, tensor in outputs.items():
        rows = len(tensor) // size
        found[name] = tensor[at * rows : (at + 1) * rows]
    return found


def _near(seen: Replicas) -> tuple[str, ...]:
    """Those that may turn out to be as fast as the fastest, whatever other work took from them."""
    best_s = min(seen.period_s.values())
    return tuple(name for name, least_s in seen.least_s.items() if least_s <= NEAR * best_s)


def _told(sized: Sized) -> str:
    """`2 inputs in a call: 4.1 ms an input, 0.97 of one by one; slower: openvino.f32 (5.0 ms or
    more)`."""
    found, fastest = "no device that runs all is faster than before", ""
    size, seen = sized.size, sized.seen
    if seen.run is not None:
        fastest, period_s = sized.device, seen.run.period_s / size
        found = f"{seconds(period_s)} an input on {fastest}, {sized.part:.2f} of one by one"
    others = (
        f"{name} ({_took(period_s / size, at_least=name in seen.without_turn)})"
        for name, period_s in seen.period_s.items()
        if name != fastest
    )
    slower = ", ".join(others)
    return f"{size} inputs in a call: {found}" + (f"; slower: {slower}" if slower else "")


def _took(period_s: float, *, at_least: bool) -> str:
    if not math.isfinite(period_s):
        return "not tried: it could not catch up"
    return f"{seconds(period_s)} or more" if at_least else seconds(period_s)

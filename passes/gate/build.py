"""Prepare every contender once, and compare its outputs with the reference's before it may ship.

In their first run, on the samples, engines allocate memory and choose kernels, so that it is never
timed; its outputs say how accurate the plan is. One run on each set of further inputs follows
(further_inputs.py). A contender that an engine fails to build or to run is left out, and one whose
outputs are further off than its limit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.checks import OutputDifference
from stagecut.compiler.ir.device import (
    Feeds,
    Progress,
    Runner,
    RunnerFactory,
    StagedSchedule,
    Tensor,
)
from stagecut.compiler.ir.errors import RangeFault, StageFault, ToleranceError, WrongAnswerError
from stagecut.compiler.ir.metric import Metric
from stagecut.passes.gate.accuracy import Flaw, Limit, farthest, output_differences, worst
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.further_inputs import InputSet
from stagecut.passes.gate.reference import Reference
from stagecut.passes.precision.held_out import HeldOut, held_out_of

#: The samples that say nothing of single nodes' errors.
HELD_OUT = "held-out samples"


def held_out_set(number: int, feeds: Feeds) -> InputSet:
    """One of them, by the name under which the reference keeps its answer."""
    return InputSet(f"{HELD_OUT} {number}", feeds)


@dataclass(frozen=True, slots=True)
class Built:
    """A contender, ready to run, and how far its outputs were from the reference's on the samples.

    `inputs` are those on which they were right, `worst` is the largest relative difference on any,
    `held` is what was found on held-out samples, where there were any.
    `run_s` is the latency of the last of these runs, where it is known.
    """

    proposal: Proposal
    staged: StagedSchedule
    runner: Runner
    accuracy: tuple[OutputDifference, ...]
    inputs: tuple[str, ...] = ()
    worst: float = 0.0
    run_s: float | None = None
    held: HeldOut | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A contender that must not ship: on `inputs` its outputs have a flaw. `held` is as in
    Built."""

    proposal: Proposal
    staged: StagedSchedule
    inputs: InputSet
    flaw: Flaw
    held: HeldOut | None = None

    def __str__(self) -> str:
        return f"plan {self.proposal.name} is left out: on {self.inputs.name}, {self.flaw.problem}"

    @property
    def error(self) -> WrongAnswerError:
        """Where no other plan is left."""
        return WrongAnswerError(
            f"no plan's outputs are those of the model: {self}",
            where=self.proposal.name,
            fix="add the device cpu.serial, or say with --tolerance how far off outputs may be",
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """The contenders that may ship, those that must not, and those that an engine failed at;
    `metric` is the name of the user's own, where that decided."""

    built: tuple[Built, ...]
    wrong: tuple[Wrong, ...] = ()
    faults: tuple[tuple[Proposal, StageFault], ...] = ()
    metric: str = ""

    @property
    def dropped(self) -> tuple[str, ...]:
        """A sentence about each that is left out."""
        failed = (
            f"plan {proposal.name} is left out: {fault.where}: {fault.problem}"
            for proposal, fault in self.faults
        )
        return (*failed, *map(str, self.wrong))


@dataclass(frozen=True, slots=True)
class Build:
    """`stage` gives a proposal its programs, `prepare` builds them. `limit` says how far off each
    may be, None where it is the reference itself. Where the reference cannot run on the samples,
    nothing is said of outputs. `held_out` are samples on which plans of lower precision are held
    against the reference, too, also by the user's own `metric`, which is of these."""

    stage: Callable[[Proposal], StagedSchedule]
    prepare: RunnerFactory
    reference: Reference
    limit: Callable[[Proposal], Limit | None]
    progress: Progress
    held_out: Sequence[Feeds] = ()
    metric: Metric | None = None

    def __call__(
        self, proposals: Sequence[Proposal], feeds: Feeds, outputs: Sequence[str]
    ) -> Checked:
        """In the order of `proposals`; raises StageFault where an engine fails at all of them."""
        built: list[Built] = []
        wrong: list[Wrong] = []
        faults: list[tuple[Proposal, StageFault]] = []
        for proposal in self.progress(proposals, "building contenders"):
            try:
                found = self._checked(self._built(proposal, feeds, outputs))
            except StageFault as fault:
                faults.append((proposal, fault))
                continue
            if isinstance(found, Wrong):
                wrong.append(found)
            else:
                built.append(found)
        if not built and not wrong:
            raise faults[0][1]
        metric = "" if self.metric is None else self.metric.name
        return Checked(tuple(built), tuple(wrong), tuple(faults), metric)

    def _built(
        self, proposal: Proposal, feeds: Feeds, outputs: Sequence[str]
    ) -> tuple[Built, Mapping[str, Tensor]]:
        """With the outputs on the samples."""
        staged = self.stage(proposal)
        runner = self.prepare(staged, outputs)
        results, trace = runner.run(feeds)
        built = Built(proposal, staged, runner, (), run_s=trace.latency_s)
        if self.reference.problem:
            return built, results
        samples = self.reference.samples
        accuracy = output_differences(results, self.reference.outputs(samples))
        known = replace(built, accuracy=accuracy, inputs=(samples.name,), worst=worst(accuracy))
        return known, results

    def _checked(self, found: tuple[Built, Mapping[str, Tensor]]) -> Built | Wrong:
        built, results = found
        limit = self.limit(built.proposal)
        if limit is None:
            return built
        held = self._held(built, limit)
        built = replace(built, held=held)
        passed: list[str] = []
        for number, inputs in enumerate(self.reference.sets):
            if inputs.stretched and not limit.stretched:
                continue
            try:
                if number:
                    results, trace = built.runner.run(inputs.feeds)
                    built = replace(built, run_s=trace.latency_s)
            except RangeFault:  # the fallback of the plan runs on such inputs
                continue
            flaw = self.reference.flaw(inputs, results, limit)
            if flaw is not None:
                return Wrong(built.proposal, built.staged, inputs, flaw, held)
            passed.append(inputs.name)
            if number and not inputs.numbers:  # those of the samples are known
                scale = self.reference.scale(inputs, limit)
                far = farthest(results, self.reference.outputs(inputs), scale)
                built = replace(built, worst=max(built.worst, far))
        if held is None:
            return replace(built, inputs=tuple(passed))
        flaw = self._too_far(held, limit)
        if flaw is not None:
            inputs = InputSet(HELD_OUT, self.held_out[0])
            return Wrong(built.proposal, built.staged, inputs, flaw, held)
        return replace(built, inputs=(*passed, HELD_OUT))

    def _too_far(self, held: HeldOut, limit: Limit) -> Flaw | None:
        if limit.loss is None:
            told = f"outputs are off by {100 * held.rms:.3g} % (rms)"
            return None if held.rms <= limit.relative else Flaw(told, held.rms)
        if self.metric is None or held.metric is None or held.loss <= limit.loss:
            return None
        told = f"{self.metric.name} is {held.metric:.4g}, and {held.right:.4g} in full precision"
        return Flaw(told, held.loss)

    def _held(self, built: Built, limit: Limit) -> HeldOut | None:
        """On held-out samples, where it computes in lower precision and a limit was asked for."""
        if not (limit.asked and limit.lower):
            return None
        pairs = []
        for number, feeds in enumerate(self.held_out):
            right = self.reference.known(held_out_set(number, feeds))
            if not isinstance(right, str):
                pairs.append((built.runner.run(feeds)[0], right))
        return held_out_of(pairs, self.metric) if pairs else None


def right(checked: Checked, tolerance: float | None) -> Checked:
    """The same; raises WrongAnswerError, or with a tolerance ToleranceError, where none is left."""
    if checked.built:
        return checked
    if tolerance is not None:
        least = min(each.flaw.relative for each in checked.wrong)
        raise ToleranceError(
            f"the closest plan loses {least:.2g} of {checked.metric}"
            if checked.metric
            else f"the closest plan is off by {least:.2g} of the largest output",
            where=f"tolerance {tolerance:g}",
            fix="raise the tolerance, or add a device that computes in the model's precision",
        )
    raise checked.wrong[0].error

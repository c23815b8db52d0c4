"""Prepare every contender once, and compare the outputs of its first run with the reference.

In their first run engines allocate memory and choose kernels, so that it is never timed; its
outputs say how accurate the plan is. A contender that an engine fails to build or to run is left
out, and one that is further off than is tolerated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.device import (
    Feeds,
    Progress,
    Runner,
    RunnerFactory,
    StagedSchedule,
    Tensor,
)
from stagecut.compiler.ir.errors import EngineError, StageFault, ToleranceError
from stagecut.compiler.ir.plan import OutputDifference
from stagecut.passes.gate.accuracy import output_differences, worst
from stagecut.passes.gate.contenders import Proposal


@dataclass(frozen=True, slots=True)
class Built:
    """A contender, ready to run, and how far its outputs were from the reference's."""

    proposal: Proposal
    staged: StagedSchedule
    runner: Runner
    accuracy: tuple[OutputDifference, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """`stage` gives a proposal its programs, `prepare` builds them. `reference` returns the outputs
    of the whole model in its own precision; where it raises EngineError, as the reference engine
    cannot run on the sample inputs, nothing is said of accuracy."""

    stage: Callable[[Proposal], StagedSchedule]
    prepare: RunnerFactory
    reference: Callable[[], Mapping[str, Tensor]]
    progress: Progress

    def __call__(
        self, proposals: Sequence[Proposal], feeds: Feeds, outputs: Sequence[str]
    ) -> tuple[tuple[Built, ...], tuple[str, ...]]:
        """Those that work, in the order of `proposals`, and a sentence about each that does not.

        Raises StageFault where all fail.
        """
        built: list[Built] = []
        faults: dict[str, StageFault] = {}
        for proposal in self.progress(proposals, "building contenders"):
            try:
                built.append(self._built(proposal, feeds, outputs))
            except StageFault as fault:
                faults[proposal.name] = fault
        if not built:
            raise next(iter(faults.values()))
        dropped = (
            f"plan {name} is left out: {fault.where}: {fault.problem}"
            for name, fault in faults.items()
        )
        return tuple(built), tuple(dropped)

    def _built(self, proposal: Proposal, feeds: Feeds, outputs: Sequence[str]) -> Built:
        staged = self.stage(proposal)
        runner = self.prepare(staged, outputs)
        results, _ = runner.run(feeds)
        try:
            reference = self.reference()
        except EngineError:  # the reference engine cannot run on these samples
            return Built(proposal, staged, runner, ())
        return Built(proposal, staged, runner, output_differences(results, reference))


def within(built: Sequence[Built], tolerance: float) -> tuple[Built, ...]:
    """Those whose outputs are as close to the reference as asked; raises ToleranceError where none
    are."""
    close = tuple(each for each in built if worst(each.accuracy) <= tolerance)
    if close:
        return close
    least = min(worst(each.accuracy) for each in built)
    raise ToleranceError(
        f"the closest plan is off by {least:.2g} of the largest output",
        where=f"tolerance {tolerance:g}",
        fix="raise the tolerance, or add a device that computes in the model's precision",
    )

"""One entry with all its variants: one for each shape, and for streams, where that is faster, one
for batches of inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

from stagecut.compiler.along_length import StepsAlongLength
from stagecut.compiler.entries import Entry, step_length
from stagecut.compiler.formats.plan_file import defaults_model
from stagecut.compiler.formats.plan_members import Members, costs_file, defaults_file, model_file
from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.ir.along_length import AlongLength
from stagecut.compiler.ir.plan import PlannedEntry, PlannedVariant
from stagecut.compiler.ir.state import DECODE
from stagecut.compiler.question import Question
from stagecut.compiler.variant_batches import VariantBatches
from stagecut.passes.stage.hold_as_in import hold_as_in


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """`weights` are those of each program, then those of the whole model where it has open
    dimensions."""

    question: Question
    entry: Entry
    weights: Sequence[WeightFile]

    def __call__(self) -> tuple[PlannedEntry, Members]:
        """The entry, and the members of the plan that it names."""
        question, entry, members = self.question, self.entry, Members()
        variants = [
            question.answered(program, file, entry.opened, members, index)
            for index, (program, file) in enumerate(zip(entry.programs, self.weights, strict=False))
        ]
        if question.costs is not None and (question.max_batch or 1) > 1:
            told = "costs that are handed in say nothing of batches"
            question.context.settings.warn(f"inputs are run one by one: {told}")
        streams_here = question.objective.streams and question.hosts is None
        if streams_here and question.costs is None:
            batched = VariantBatches(question, entry, self.weights, tuple(variants))
            for index in range(len(variants)):
                batched(index, variants, members)
        variants, lengths = self._by_length(variants, members)
        with question.phases("write"):
            written = self._whole(members, variants)
        along, switches = self._along_length(variants, lengths)
        left_out, fixed = entry.imported.left_out, entry.imported.fixed
        return PlannedEntry(tuple(variants), left_out, fixed, along, switches), written

    def _whole(self, made: Members, variants: Sequence[PlannedVariant]) -> Members:
        """What the variants need of all that was `made`, some for variants that were made anew
        since; and what is of the model as a whole."""
        entry = self.entry
        stages = {file: made.models[file] for file in _files(variants)}
        whole = Members(dict(made.files), dict(stages))
        if entry.opened is not None:
            opened = entry.opened.clone()
            hold_as_in(opened, stages.values())
            whole.models[model_file(entry.name)] = opened
        defaults = entry.programs[0].defaults
        if defaults:
            whole.files[defaults_file(entry.name)] = defaults_model(defaults)
        return whole

    def _by_length(
        self, variants: list[PlannedVariant], members: Members
    ) -> tuple[list[PlannedVariant], tuple[int, ...]]:
        """Of a decoder's step with several, those whose schedule is another than the one before,
        and the lengths that they were made for; `members` has their costs by their new places."""
        programs = self.entry.programs
        if self.entry.name != DECODE or len(programs) < 2:
            return variants, ()
        found = [
            index
            for index, each in enumerate(variants)
            if not index or each.schedule != variants[index - 1].schedule
        ]
        if len(found) < len(variants):
            self.question.context.settings.warn(
                f"{len(found)} of {len(variants)} lengths have a schedule of their own: others run "
                "as the length before them"
            )
        costs = [members.files.pop(costs_file(at, DECODE)) for at in range(len(variants))]
        members.files.update((costs_file(to, DECODE), costs[at]) for to, at in enumerate(found))
        return [variants[at] for at in found], tuple(step_length(programs[at]) for at in found)

    def _along_length(
        self, variants: Sequence[PlannedVariant], lengths: Sequence[int]
    ) -> tuple[AlongLength | None, tuple[int, ...]]:
        """None where there are no other lengths to look at, or more than times and energies to be
        known there: then each variant runs from the length on that it was made for."""
        question, opened = self.question, self.entry.opened
        limited = question.tolerance is not None or question.max_energy_j is not None
        if not question.lengths or opened is None or limited:
            return None, tuple(lengths[1:])
        steps = StepsAlongLength(
            question, self.entry.programs[0], self.weights[0], opened, self.weights[-1]
        )
        with question.phases("lengths"):
            found = steps([each.schedule for each in variants], lengths)
        return (None, tuple(lengths[1:])) if found is None else found


def _files(variants: Sequence[PlannedVariant]) -> list[str]:
    """Those of the stages of all of them."""
    return [stage.file for each in variants for run in each.runs for stage in run.stages]

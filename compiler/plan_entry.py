"""One entry with all its variants: one for each shape, and for streams, where that is faster, one
for batches of inputs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.along_length import StepsAlongLength
from stagecut.compiler.batch_race import Runner, raced
from stagecut.compiler.batches import USUAL_BATCH, Batches, Found
from stagecut.compiler.entries import Entry, step_length
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import defaults_model
from stagecut.compiler.formats.plan_members import Members, costs_file, defaults_file, model_file
from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.ir.along_length import AlongLength
from stagecut.compiler.ir.batching import batching_problem
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.plan import PlannedEntry, PlannedVariant
from stagecut.compiler.ir.state import DECODE
from stagecut.compiler.mixed_batches import mixed_batches
from stagecut.compiler.question import Question
from stagecut.compiler.with_batches import (
    same_threads,
    with_batches,
    with_race,
    with_rivals,
    with_slower,
)
from stagecut.passes.partition.restrict import Restrict, parse_rule
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
            self._warn("costs that are handed in say nothing of batches")
        streams_here = question.objective.streams and question.hosts is None
        if streams_here and question.costs is None:
            singles = tuple(variants)
            for index in range(len(singles)):
                self._batched(index, singles, variants, members)
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

    def _warn(self, problem: str) -> None:
        self.question.context.settings.warn(f"inputs are run one by one: {problem}")

    def _batched(
        self,
        index: int,
        singles: Sequence[PlannedVariant],
        variants: list[PlannedVariant],
        members: Members,
    ) -> None:
        """Let up to `max_batch` inputs of the variant `index` run in one call, where that is
        faster: in a further variant, with `members` of its own.

        `singles` are the variants that run their inputs one by one. Who asks for batches is told
        where there are none.
        """
        question, opened, program = self.question, self.entry.opened, self.entry.programs[index]
        alone, most = singles[index], question.max_batch
        problem = batching_problem(alone.inputs, alone.outputs)
        if not problem and any(limit.name == "memory" for limit in question.limits):
            problem = "--max-memory counts one set of stages, and batches have their own"
        if opened is None or problem:
            if most is not None and most > 1:
                self._warn(problem)
            return
        own_weights, weights = self.weights[index], self.weights[-1]
        with question.phases("batches"):
            found = self._best_batch(alone, index)
        alone = variants[index] = _tried(alone, found.tried)
        if found.program is None:
            return
        size, stacked = found.size, found.program
        narrowed = self._narrowed(alone, found)
        shapes = [array.shape for array in stacked.feeds.values()]
        known = [each for each in singles if [port.shape for port in each.inputs] == shapes]
        own = Members()
        try:
            planned = (
                known[0]
                if known
                else narrowed.answered(stacked, weights, opened, own, len(variants))
            )
        except StagecutError as error:  # there is a plan without it
            self._warn(error.problem)
            return
        mixed = () if known else self._mixed((members, index), (own, len(variants)), size)
        tried = (*found.tried, *mixed)
        variants[index] = alone = _tried(alone, tried)
        beside = Members()
        single = alone
        if not same_threads(alone, planned):
            single = self._on_devices_of(planned, alone, beside, index) or alone
        streamed = with_batches(single, planned, size, question.limits)
        if streamed.shipped.id.batch == 1:
            if most is not None:
                self._warn("batches take other threads than single inputs, or too long")
            return
        with question.phases("batches"):
            measured, _ = question.measurable(program, own_weights, opened)
            full, _ = narrowed.measurable(stacked, weights, opened)
            both = Runner(streamed, measured, Runner(planned, full))
            race = raced(Runner(alone, measured), both)
        if race is None or not race.is_faster:
            if race is not None:
                variants[index] = _tried(with_slower(alone, race.together, race.ratio), tried)
            if most is not None:
                self._warn("no batch is clearly faster")
            return
        variants[index] = _tried(with_race(streamed, race.alone, race.together), tried)
        members.update(beside)
        if not known:
            variants.append(planned)
            members.update(own)

    def _costs(self, members: Members, index: int) -> CostTable:
        """Those that the members have of a variant, on the devices that are asked of."""
        costs = members.files[costs_file(index, self.entry.name)]
        return self.question.restrict(read_costs(costs.decode()))

    def _mixed(
        self, alone: tuple[Members, int], together: tuple[Members, int], size: int
    ) -> Iterator[str]:
        """What stages that take `size` inputs beside such that take one would bring, where that
        can be told, by the costs that members have of a variant for one input and for `size`."""
        costs = self._costs(*alone), self._costs(*together)
        with self.question.phases("batches"):
            found = mixed_batches(*costs, size, self.question.limits)
        if found is not None:
            yield str(found)

    def _narrowed(self, alone: PlannedVariant, found: Found) -> Question:
        """What is asked of batches: on the devices that were near the best of them, or that run
        inputs one by one; and in processes only where these were better then."""
        known = self.question.context
        used = {stage.device for stage in alone.schedule.stages}
        left = {
            name: each
            for name, each in known.backends.items()
            if name in used or name in found.near
        }
        specs = {name: known.specs[name] for name in left}
        context = replace(known, backends=left, specs=specs)
        processes = alone.shipped.id.hosting != "threads"
        limits = tuple(limit.of_batch(found.size) for limit in self.question.limits)
        return replace(
            self.question, context=context, size=found.size, processes=processes, limits=limits
        )

    def _best_batch(self, alone: PlannedVariant, index: int) -> Found:
        """As `Batches.best` has it, whose engines are gone when it is known."""
        question, opened = self.question, self.entry.opened
        if opened is None:
            raise AssertionError("only a model with open dimensions takes batches")
        program, weights = self.entry.programs[index], self.weights
        measurements, expanded = question.measurable(program, weights[index], opened)
        return Batches(
            alone,
            measurements,
            expanded,
            opened,
            lambda stacked: question.measurable(stacked, weights[-1], opened),
            USUAL_BATCH if question.max_batch is None else question.max_batch,
            question.tolerance,
            question.restrict,
            question.limits,
        ).best()

    def _on_devices_of(
        self, batched: PlannedVariant, of: PlannedVariant, members: Members, index: int
    ) -> PlannedVariant | None:
        """The variant `index`, which was `of`, made anew on the devices of `batched` alone; None
        where that fails."""
        used = {stage.device for stage in batched.schedule.stages}
        others = [name for name in self.question.context.backends if name not in used]
        known = self.question.restrict
        forbids = tuple(parse_rule(f"*={name}") for name in others)
        asked = replace(self.question, restrict=Restrict(known.pins, (*known.forbids, *forbids)))
        program, weights = self.entry.programs[index], self.weights[index]
        try:
            made = asked(program, weights, self.entry.opened, members, index)
        except StagecutError:
            return None
        return with_rivals(made, of)


def _files(variants: Sequence[PlannedVariant]) -> list[str]:
    """Those of the stages of all of them."""
    return [stage.file for each in variants for run in each.runs for stage in run.stages]


def _tried(planned: PlannedVariant, tried: tuple[str, ...]) -> PlannedVariant:
    """With what is known of batches."""
    if planned.stream is None:
        raise AssertionError("it was made to stream")
    return replace(planned, stream=replace(planned.stream, tried=tried))

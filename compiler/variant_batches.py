"""How many inputs the calls of a variant take: one, as many in all stages, or each as is best.

one by one           -> what whole replicas do with 2, 4, 8 inputs in a call (batches.py)
all in eights        -> a variant of its own, planned as any other; both take turns
some in eights       -> by the costs of both (mixed_batches.py); where it is worth it, built and
                        run (mixed_stream.py), and in turns with what is the best by then
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

from stagecut.compiler.batch_race import Race, Runner, raced
from stagecut.compiler.batches import USUAL_BATCH, Batches, Found
from stagecut.compiler.entries import Entry
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_members import Members, costs_file
from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.ir.batching import batching_problem
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.mixed_batches import mixed_batches
from stagecut.compiler.mixed_plan import Half, MixedPlan, mixed_plan
from stagecut.compiler.mixed_stream import MixedStreams, ReadyMixed, Side
from stagecut.compiler.question import Question
from stagecut.compiler.whole_replicas import with_all_cores
from stagecut.compiler.with_batches import (
    same_threads,
    with_batches,
    with_mixed,
    with_race,
    with_rivals,
    with_slower,
)
from stagecut.passes.gate.build import Wrong
from stagecut.passes.partition.restrict import Restrict, parse_rule, without
from stagecut.passes.profile.loaded import ObservedCall, loaded


@dataclass(frozen=True, slots=True)
class Together:
    """Calls of `size` inputs: their program, what is `asked` of it, the variant that was `planned`,
    of this `number`, and the members that it names; none of its own where it was among those that
    were compiled for."""

    size: int
    program: Program
    asked: Question
    planned: PlannedVariant
    members: Members
    number: int
    is_own: bool = True


@dataclass(frozen=True, slots=True)
class VariantBatches:
    """`weights` are those of each program, then those of the whole model; `singles` are the
    variants that run their inputs one by one."""

    question: Question
    entry: Entry
    weights: Sequence[WeightFile]
    singles: Sequence[PlannedVariant]

    def __call__(self, index: int, variants: list[PlannedVariant], members: Members) -> None:
        """Let up to `max_batch` inputs of the variant `index` run in one call, where that is
        faster: in a further variant, with `members` of its own. Who asks for batches is told where
        there are none."""
        question, alone = self.question, self.singles[index]
        problem = batching_problem(alone.inputs, alone.outputs)
        if not problem and any(limit.name == "memory" for limit in question.limits):
            problem = "--max-memory counts one set of stages, and batches have their own"
        if self.entry.opened is None or problem:
            self._warn_who_asked(problem)
            return
        with question.phases("batches"):
            found = self._best_batch(alone, index)
        variants[index] = _tried(alone, found.tried)
        try:
            together = self._together(found, alone, len(variants))
        except StagecutError as error:  # there is a plan without it
            self._warn(error.problem)
            return
        if together is not None:
            self._uniform(index, together, variants, members)
        if together is None or together.is_own:
            self._mixed(index, found, together, variants, members)

    def _warn(self, problem: str) -> None:
        self.question.context.settings.warn(f"inputs are run one by one: {problem}")

    def _warn_who_asked(self, problem: str) -> None:
        if (self.question.max_batch or 1) > 1:
            self._warn(problem)

    def _together(self, found: Found, alone: PlannedVariant, number: int) -> Together | None:
        """In calls of the best size, as the variant `number`; None where inputs are faster one by
        one. Raises StagecutError where it cannot be planned."""
        program = found.program
        if program is None:
            return None
        asked, own = self._narrowed(alone, found.size, found.near), Members()
        shapes = [array.shape for array in program.feeds.values()]
        for each in self.singles:
            if [port.shape for port in each.inputs] == shapes:
                return Together(found.size, program, asked, each, own, number, is_own=False)
        return self._answered(found.size, program, asked, number)

    def _answered(self, size: int, program: Program, asked: Question, number: int) -> Together:
        own, opened = Members(), self.entry.opened
        planned = asked.answered(program, self.weights[-1], opened, own, number)
        return Together(size, program, asked, planned, own, number)

    def _uniform(
        self, index: int, together: Together, variants: list[PlannedVariant], members: Members
    ) -> None:
        """All stages with as many inputs in each call, where that is faster."""
        question, alone, tried = self.question, variants[index], _known(variants[index])
        planned, size, beside = together.planned, together.size, Members()
        single = alone
        if not same_threads(alone, planned):
            single = self._on_devices_of(planned, alone, beside, index) or alone
        streamed = with_batches(single, planned, size, question.limits)
        if streamed.shipped.id.batch == 1:
            self._warn_who_asked("batches take other threads than single inputs, or too long")
            return
        with question.phases("batches"):
            measured, full = self._measured(index), self._measured_of(together)
            both = Runner(streamed, measured, Runner(planned, full))
            race = raced(Runner(alone, measured), both)
        if race is None or not race.is_faster:
            if race is not None:
                variants[index] = _tried(with_slower(alone, race.together, race.ratio), tried)
            self._warn_who_asked("no batch is clearly faster")
            return
        variants[index] = _tried(
            with_race(streamed, race.alone, race.together, question.limits), tried
        )
        members.update(beside)
        if together.is_own:
            variants.append(planned)
            members.update(together.members)

    def _mixed(
        self,
        index: int,
        found: Found,
        together: Together | None,
        variants: list[PlannedVariant],
        members: Members,
    ) -> None:
        """Some stages with several inputs in each call, and others with one, where that is worth a
        try by the costs, and faster; what came of it is told."""
        try:
            told = self._told_of_mixed(index, found, together, variants, members)
        except StagecutError as error:  # there is a plan without it
            told = f"stages that differ in how many inputs they take are not run: {error.problem}"
        if told:
            variants[index] = _tried(variants[index], (*_known(variants[index]), told))

    def _told_of_mixed(
        self,
        index: int,
        found: Found,
        together: Together | None,
        variants: list[PlannedVariant],
        members: Members,
    ) -> str:
        """Empty where nothing can be said. Raises StagecutError where it cannot run."""
        question = self.question
        if together is None:
            priced = self._priced(found, variants[index], len(variants))
            if priced is None:
                return ""
            size, asked, costs = priced
        else:
            size, asked = together.size, together.asked
            costs = self._costs(together.members, together.number)
        own = _on_devices(self._costs(members, index), asked)
        with question.phases("batches"):
            first = mixed_batches(own, costs, size, question.limits)
        if first is None or not first.is_worth_it:
            return "" if first is None else first.told("")
        if together is None:
            together = self._answered(size, _program_of(asked), asked, len(variants))
            costs = self._costs(together.members, together.number)
            with question.phases("batches"):
                first = mixed_batches(own, costs, size, question.limits)
            if first is None:
                return ""
        sides = Side(self._measured(index), own), Side(self._measured_of(together), costs)
        with question.phases("batches"):
            streams = MixedStreams(*sides, size, question.tolerance, question.limits)
            mixed, ready, why = streams.best(first)
        if ready is not None:
            return ready.found.told(self._shipped(index, ready, together, sides, variants, members))
        return "" if mixed is None else mixed.told(why)

    def _shipped(
        self,
        index: int,
        ready: ReadyMixed,
        together: Together,
        sides: tuple[Side, Side],
        variants: list[PlannedVariant],
        members: Members,
    ) -> str:
        """What is `ready` in the place of the best by now, where it is right at other shapes, too,
        and faster in turns; what came of it."""
        question, before = self.question, variants[index]
        with question.phases("batches"):
            elsewhere = sides[0].measurements.right_elsewhere
            wrong = elsewhere(ready.alone.proposal, question.tolerance)
            if isinstance(wrong, Wrong):
                return f"not run: {wrong}"
            halves = (
                Half(before, sides[0], index),
                Half(together.planned, sides[1], together.number),
            )
            made = mixed_plan(ready, *halves, self.entry.name, question.limits)
            race = self._raced(before, together, sides, made)
        if race is None:
            return "not run: an engine failed"
        if not race.is_faster:
            variants[index] = with_slower(before, race.together, race.ratio)
            return variants[index].contenders[-1].why
        variants[index] = with_mixed(made.alone, before, race.alone, race.together, question.limits)
        del variants[together.number :]
        variants.append(made.full)
        members.update(together.members)
        members.update(made.members)
        return f"in turns {1 - race.ratio:.1%} faster than what was the best"

    def _raced(
        self,
        before: PlannedVariant,
        together: Together,
        sides: tuple[Side, Side],
        made: MixedPlan,
    ) -> Race | None:
        """What is the best by now, against stages that differ in how many inputs they take."""
        measured, full = (side.measurements for side in sides)
        batched = before.stream is not None and before.stream.batch > 1
        best = Runner(before, measured, Runner(together.planned, full) if batched else None)
        return raced(best, Runner(made.alone, measured, Runner(made.full, full)))

    def _priced(
        self, found: Found, alone: PlannedVariant, number: int
    ) -> tuple[int, Question, CostTable] | None:
        """Calls of the most inputs that come out as they do alone, where no number of them is
        faster in all stages: what is asked of them, and what nodes take by that, at the least. None
        where there is no time for it."""
        widest = found.widest
        if widest is None or usable_cpus() < 2:  # of two stages, each has a CPU
            return None
        if self.question.context.settings.effort == "quick":
            return None
        asked = self._narrowed(alone, widest.size, ())
        opened, weights = self.entry.opened, self.weights[-1]
        priced = asked.priced(widest.program, weights, opened, number)
        asked = replace(asked, prices=priced)
        costs = with_all_cores(asked.restrict(priced.profiled.costs))
        return widest.size, asked, loaded(costs, _whole_calls(costs, widest.seen.least_s))

    def _measured(self, index: int) -> Measurements:
        """The program of the variant `index`."""
        program, weights = self.entry.programs[index], self.weights[index]
        return self.question.measurable(program, weights, self.entry.opened)[0]

    def _measured_of(self, together: Together) -> Measurements:
        opened, weights = self.entry.opened, self.weights[-1]
        return together.asked.measurable(together.program, weights, opened)[0]

    def _costs(self, members: Members, number: int) -> CostTable:
        """Those that the members have of a variant, on the devices that are asked of."""
        costs = members.files[costs_file(number, self.entry.name)]
        return self.question.restrict(read_costs(costs.decode()))

    def _narrowed(self, alone: PlannedVariant, size: int, near: Sequence[str]) -> Question:
        """What is asked of batches: on the devices that were near the best of them, or that run
        inputs one by one; and in processes only where these were better then."""
        known = self.question.context
        used = {stage.device for stage in alone.schedule.stages}
        left = {name: each for name, each in known.backends.items() if name in used or name in near}
        specs = {name: known.specs[name] for name in left}
        context = replace(known, backends=left, specs=specs)
        processes = alone.shipped.id.hosting != "threads"
        limits = tuple(limit.of_batch(size) for limit in self.question.limits)
        return replace(
            self.question, context=context, size=size, processes=processes, limits=limits
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


def _whole_calls(costs: CostTable, least_s: Mapping[str, float]) -> Iterator[ObservedCall]:
    """Of everything on one device, where a call of its replicas ended every so many seconds."""
    for device in costs.machine.devices:
        nodes = tuple(node.name for node in costs.nodes if device.name in node.run_s)
        if len(nodes) == len(costs.nodes) and isfinite(least_s.get(device.name, inf)):
            replicas = costs.machine.units_of[device.keeps_busy] // device.cores
            yield ObservedCall(Stage(device.name, nodes), least_s[device.name] * max(1, replicas))


def _program_of(asked: Question) -> Program:
    if asked.prices is None:
        raise AssertionError("its nodes were priced")
    return asked.prices.of


def _on_devices(costs: CostTable, asked: Question) -> CostTable:
    """On those that are asked of."""
    known = asked.context.backends
    others = {(node.name, name) for node in costs.nodes for name in node.run_s if name not in known}
    return without(costs, others)


def _known(planned: PlannedVariant) -> tuple[str, ...]:
    """What was told of batches."""
    return () if planned.stream is None else planned.stream.tried


def _tried(planned: PlannedVariant, tried: tuple[str, ...]) -> PlannedVariant:
    """With what is known of batches."""
    if planned.stream is None:
        raise AssertionError("it was made to stream")
    return replace(planned, stream=replace(planned.stream, tried=tried))

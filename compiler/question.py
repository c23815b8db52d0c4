"""What is asked for, whatever the shapes; answered for one shape at a time.

Program -> Graph -> cluster -> expand -> profile -> CostTable -> restrict
        -> partition -> Schedule + Certificate -> contenders -> build -> gate -> assemble
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from stagecut import backends
from stagecut.compiler.arguments import (
    table_of,
)
from stagecut.compiler.arrows import Dump, Phases
from stagecut.compiler.batch_race import Race, Runner, raced
from stagecut.compiler.batches import USUAL_BATCH, Batches, Found
from stagecut.compiler.context import CompileContext
from stagecut.compiler.context_of import context_of
from stagecut.compiler.decide import Decide, expanded_without
from stagecut.compiler.decide_stream import DecideStream
from stagecut.compiler.entries import (
    Entry,
)
from stagecut.compiler.error_budget import without_idle
from stagecut.compiler.formats.plan_file import defaults_model
from stagecut.compiler.formats.plan_members import (
    costs_file,
    defaults_file,
    file_prefix,
    model_file,
    stream_file,
)
from stagecut.compiler.formats.weights import WeightFile, model_bytes
from stagecut.compiler.frontends.normal_form.normalise import declared
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import Costs
from stagecut.compiler.ir.errors import (
    AllFailedError,
    EngineError,
    StagecutError,
)
from stagecut.compiler.ir.measured_machine import MeasuredMachine
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import (
    MAIN,
    Contender,
    PlannedEntry,
    PlannedVariant,
    batching_problem,
)
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.measure.crash_journal import REFERENCE
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.over_hosts import OverHosts
from stagecut.compiler.with_batches import (
    by_input,
    is_faster,
    same_threads,
    with_batches,
    with_rivals,
    with_slower,
)
from stagecut.passes.assemble import Assemble
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.gate.contenders import proposal_of
from stagecut.passes.gate.fallback import fallback
from stagecut.passes.partition.restrict import Restrict, parse_rule
from stagecut.passes.profile.handed_in import handed_in
from stagecut.passes.profile.profile import Profiled


@dataclass(frozen=True, slots=True)
class Question:
    """Of one entry. `costs` stand for a measurement; `phases` takes down where time goes. With a
    `machine`, nodes run on any of its hosts."""

    context: CompileContext
    objective: Objective
    restrict: Restrict
    granularity: Granularity
    tolerance: float | None
    max_energy_j: float | None
    limits: tuple[Limit, ...]
    max_batch: int | None
    phases: Phases
    entry: str = MAIN
    costs: Costs | None = None
    #: So many inputs are in each call, and whether replicas in processes may be faster then.
    size: int = 1
    processes: bool = True
    machine: MeasuredMachine | None = None

    def planned(
        self, entry: Entry, weights: Sequence[WeightFile], files: dict[str, bytes]
    ) -> PlannedEntry:
        """The entry with all its variants; puts the files that they name into `files`."""
        programs, opened, warn = entry.programs, entry.opened, self.context.settings.warn
        variants = [
            self.answered(program, file, opened, files, index)
            for index, (program, file) in enumerate(zip(programs, weights, strict=False))
        ]
        if self.costs is not None and (self.max_batch or 1) > 1:
            warn("inputs are run one by one: costs that are handed in say nothing of batches")
        if self.objective.streams and self.costs is None:
            singles = tuple(variants)
            for index, program in enumerate(programs):
                self.batched(program, index, singles, variants, opened, weights, files)
        with self.phases("write"):
            if opened is not None:
                files[model_file(entry.name)] = model_bytes(opened)
            if programs[0].defaults:
                files[defaults_file(entry.name)] = defaults_model(programs[0].defaults)
        return PlannedEntry(tuple(variants), entry.imported.left_out, entry.imported.fixed)

    def answered(
        self,
        program: Program,
        weights: WeightFile,
        opened: ir.Model | None,
        files: dict[str, bytes],
        index: int,
    ) -> PlannedVariant:
        """The variant `index`; puts the files that it names into `files`.

        Where the devices that were asked for fail, or give no right outputs, the reference is added
        to them.
        """
        try:
            planned = self(program, weights, opened, files, index)
        except (AllFailedError, EngineError) as error:
            if REFERENCE in self.context.backends or self.costs is not None:
                raise
            specs = (*self.context.specs.values(), REFERENCE)
            wider = replace(self, context=context_of(specs, self.context.settings))
            planned = wider(program, weights, opened, files, index)
            told = f"{REFERENCE} is added to the devices: {error.problem}"
            planned = replace(planned, workarounds=(told, *planned.workarounds))
        for workaround in planned.workarounds:
            self.context.settings.warn(f"worked around: {workaround}")
        return planned

    def __call__(
        self,
        program: Program,
        weights: WeightFile,
        opened: ir.Model | None,
        files: dict[str, bytes],
        index: int,
    ) -> PlannedVariant:
        phases, prefix = self.phases, file_prefix(index, self.entry)
        dump = Dump(self.context.settings.dump, prefix)
        with phases("plan"):
            measurements, expanded = self._placed(program, weights, opened)
            dump("graph", measurements.graph)
            dump("expanded", expanded)
            self.restrict.check(expanded)
        with phases("profile"):
            measurements = measurements.on_samples_that_run()
            program = measurements.program
            profiled = self._profiled(measurements, expanded)
            expanded = expanded_without(expanded, profiled.faults)
        decided = self._decide(measurements, expanded, profiled, dump)
        with phases("assemble"):
            compared = decided.compared
            chosen = proposal_of(decided.rivals, compared.chosen.id)
            always = backends.always(self.context.specs)  # never those of other hosts
            plain = fallback(
                decided.rivals, compared.contenders, decided.costs, self.objective, always
            )
            shipped = measurements.answers.staged(chosen), chosen.account
            spare = None
            if plain is not None:
                spare = measurements.answers.staged(plain, "fallback"), plain.account
            dump("stages", shipped[0])
            planned = Assemble(
                decided.expanded,
                decided.costs,
                decided.certificate,
                profiled.paths,
                program,
                measurements.provenance(self._options(), compared.chosen.id),
                self.objective,
                decided.totals,
                measurements.context.backends,
                {} if opened is None else declared(opened, program),
                prefix,
            )(
                shipped,
                compared.contenders,
                compared.chosen_accuracy,
                (*self.context.told, *map(str, decided.faults), *compared.dropped),
                spare,
                compared.checks,
                tuple(filter(None, (profiled.circumstances, compared.circumstances))),
                decided.stream,
                decided.precision,
            )
            for staged in (shipped[0], *(() if spare is None else spare[:1])):
                for stage_program in staged.programs:
                    files[f"{prefix}{stage_program.name}.onnx"] = model_bytes(stage_program.model)
            files[costs_file(index, self.entry)] = decided.costs_text.encode()
            if decided.proof:
                files[stream_file(index, self.entry)] = decided.proof.encode()
        return planned

    def batched(
        self,
        program: Program,
        index: int,
        singles: Sequence[PlannedVariant],
        variants: list[PlannedVariant],
        opened: ir.Model | None,
        every_weights: Sequence[WeightFile],
        files: dict[str, bytes],
    ) -> None:
        """Let up to `max_batch` inputs of the variant `index` run in one call, where that is
        faster: in a further variant.

        `singles` are the variants that run their inputs one by one; `every_weights` are those of
        each variant, then those of `opened`. Who asks for batches is told where there are none.
        """
        alone, most = singles[index], self.max_batch
        problem = batching_problem(alone.inputs, alone.outputs)
        if not problem and any(limit.name == "memory" for limit in self.limits):
            problem = "--max-memory counts one set of stages, and batches have their own"
        if opened is None or problem:
            if most is not None and most > 1:
                self.context.settings.warn(f"inputs are run one by one: {problem}")
            return
        own_weights, weights = every_weights[index], every_weights[-1]
        with self.phases("batches"):
            found = self._best_batch(alone, program, opened, own_weights, weights)
        alone = variants[index] = _tried(alone, found.tried)
        if found.program is None:
            return
        size, stacked = found.size, found.program
        narrowed = self._narrowed(alone, found)
        shapes = [array.shape for array in stacked.feeds.values()]
        known = [each for each in singles if [port.shape for port in each.inputs] == shapes]
        own: dict[str, bytes] = {}
        try:
            planned = (
                known[0]
                if known
                else narrowed.answered(stacked, weights, opened, own, len(variants))
            )
        except StagecutError as error:  # there is a plan without it
            self.context.settings.warn(f"inputs are run one by one: {error.problem}")
            return
        with self.phases("batches"):
            race = raced(
                Runner(alone, self._placed(program, own_weights, opened)[0].on_samples_that_run()),
                Runner(planned, narrowed._placed(stacked, weights, opened)[0], size),
            )
        if not _is_faster(planned, alone, size, race):
            batch = by_input(planned.shipped, size)
            ratio = race.ratio if race else batch.median_s / alone.shipped.median_s
            variants[index] = with_slower(alone, batch, ratio)
            if self.max_batch is not None:
                self.context.settings.warn("inputs are run one by one: no batch is clearly faster")
            return
        if race is not None:
            alone, planned = _shipping(alone, race.alone), _shipping(planned, race.together)
        if not same_threads(alone, planned):
            made = self._on_devices_of(planned, alone, program, own_weights, opened, own, index)
            alone = made or alone
        streamed = with_batches(alone, planned, size, self.limits)
        if streamed.shipped.id.batch > 1:
            variants[index] = _tried(streamed, found.tried)
            if not known:
                variants.append(planned)
                files |= own
        elif self.max_batch is not None:
            self.context.settings.warn("inputs are run one by one: no batch is clearly faster")

    def _narrowed(self, alone: PlannedVariant, found: Found) -> "Question":
        """What is asked of batches: on the devices that were near the best of them, or that run
        inputs one by one; and in processes only where these were better then."""
        used = {stage.device for stage in alone.schedule.stages}
        engines = self.context.backends.items()
        left = {name: each for name, each in engines if name in used or name in found.near}
        specs = {name: self.context.specs[name] for name in left}
        context = replace(self.context, backends=left, specs=specs)
        processes = alone.shipped.id.hosting != "threads"
        return replace(self, context=context, size=found.size, processes=processes)

    def _best_batch(
        self,
        alone: PlannedVariant,
        program: Program,
        opened: ir.Model,
        own_weights: WeightFile,
        weights: WeightFile,
    ) -> Found:
        """As `Batches.best` has it, whose engines are gone when it is known."""
        measurements, expanded = self._placed(program, own_weights, opened)
        return Batches(
            alone,
            measurements.on_samples_that_run(),
            expanded,
            opened,
            lambda stacked: self._placed(stacked, weights, opened),
            USUAL_BATCH if self.max_batch is None else self.max_batch,
            self.tolerance,
            self.restrict,
            self.limits,
        ).best()

    def _on_devices_of(
        self,
        batched: PlannedVariant,
        of: PlannedVariant,
        program: Program,
        weights: WeightFile,
        opened: ir.Model | None,
        files: dict[str, bytes],
        index: int,
    ) -> PlannedVariant | None:
        """The variant `index`, which was `of`, made anew on the devices of `batched` alone; None
        where that fails."""
        used = {stage.device for stage in batched.schedule.stages}
        others = [name for name in self.context.backends if name not in used]
        forbids = tuple(parse_rule(f"*={name}") for name in others)
        restrict = Restrict(self.restrict.pins, (*self.restrict.forbids, *forbids))
        try:
            made = replace(self, restrict=restrict)(program, weights, opened, files, index)
        except StagecutError:
            return None
        return with_rivals(made, of)

    def _placed(
        self, program: Program, weights: WeightFile, opened: ir.Model | None
    ) -> tuple[Measurements, ExpandedGraph]:
        """The program with all that can be said of it before anything is measured."""
        context = self.context if self._hosts is None else self._hosts.context
        graph = Cluster(self.context.backends, self.granularity)(graph_of(program))
        expanded = without_idle(Expand(context.backends)(graph), context.backends)
        return Measurements(context, program, graph, weights, opened), expanded

    @property
    def _decide(self) -> Decide | DecideStream:
        by_costs = self.costs is not None or self.machine is not None
        if self.objective.streams:
            return DecideStream(
                self.restrict,
                self.tolerance,
                self.limits,
                by_costs,
                self.phases,
                self.size,
                self.processes,
            )
        return Decide(
            self.objective, self.restrict, self.tolerance, self.max_energy_j, by_costs, self.phases
        )

    @property
    def _hosts(self) -> OverHosts | None:
        return None if self.machine is None else OverHosts(self.machine, self.context)

    def _profiled(self, measurements: Measurements, expanded: ExpandedGraph) -> Profiled:
        if self._hosts is not None:
            return self._hosts.profile(measurements)
        if self.costs is None:
            return measurements.profile(expanded)
        return handed_in(table_of(self.costs, expanded), expanded)

    def _options(self) -> Mapping[str, str]:
        return {
            "granularity": self.granularity,
            "objective": str(self.objective),
            "pin": ", ".join(map(str, self.restrict.pins)),
            "forbid": ", ".join(map(str, self.restrict.forbids)),
            "tolerance": "" if self.tolerance is None else f"{self.tolerance:g}",
            **({} if self.max_energy_j is None else {"max energy": f"{self.max_energy_j:g} J"}),
            **{f"max {limit.name}": limit.exactly for limit in self.limits},
        }


def _tried(planned: PlannedVariant, tried: tuple[str, ...]) -> PlannedVariant:
    """With what is known of batches."""
    if planned.stream is None:
        raise AssertionError("it was made to stream")
    return replace(planned, stream=replace(planned.stream, tried=tried))


def _shipping(planned: PlannedVariant, shipped: Contender) -> PlannedVariant:
    """With other figures of what ships."""
    contenders = (shipped if each.chosen else each for each in planned.contenders)
    return replace(planned, contenders=tuple(contenders))


def _is_faster(
    planned: PlannedVariant, alone: PlannedVariant, size: int, race: Race | None
) -> bool:
    return is_faster(planned, alone, size) if race is None else race.is_faster

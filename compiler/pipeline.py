"""The whole compile on one page.

model -> Program -> Graph -> cluster -> expand -> profile -> CostTable -> restrict
      -> partition -> Schedule + Certificate -> contenders -> build -> gate -> assemble -> Plan file
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from stagecut import backends
from stagecut.compiler.arguments import (
    check_alone,
    check_measuring,
    check_question,
    check_stream,
    each_shape,
    table_of,
)
from stagecut.compiler.arrows import Dump, Phases
from stagecut.compiler.batches import (
    USUAL_BATCH,
    Batches,
    is_faster,
    same_threads,
    with_batches,
    with_rivals,
)
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.context_of import context_of, scratch_folder
from stagecut.compiler.decide import Decide, expanded_without
from stagecut.compiler.decide_stream import DecideStream
from stagecut.compiler.formats.archive import ArchiveWriter
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.formats.plan_file import (
    DEFAULTS_FILE,
    MODEL_FILE,
    Plan,
    costs_file,
    defaults_model,
    file_prefix,
    stream_file,
    write_plan,
)
from stagecut.compiler.formats.weights import (
    WeightFile,
    model_bytes,
    write_weights_into,
)
from stagecut.compiler.frontends.load import import_model, tell
from stagecut.compiler.frontends.normal_form.normalise import declared, open_form
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.frontends.shapes import Shapes
from stagecut.compiler.frontends.variants import programs_for
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostModel, CostTable
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import (
    AllFailedError,
    EngineError,
    StagecutError,
    UsageError,
)
from stagecut.compiler.ir.objective import Objective, parse_objective
from stagecut.compiler.ir.plan import (
    MAIN,
    PlanDocument,
    PlannedEntry,
    PlannedVariant,
    batching_problem,
)
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.stream_certificate import Limit, limits_of_stream
from stagecut.compiler.isolated import (
    Request,
    compile_isolated,
)
from stagecut.compiler.measure.crash_journal import REFERENCE
from stagecut.compiler.measurements import Measurements
from stagecut.passes.assemble import Assemble
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.gate.contenders import proposal_of
from stagecut.passes.gate.fallback import fallback
from stagecut.passes.partition.restrict import Restrict, parse_rule
from stagecut.passes.profile.handed_in import handed_in
from stagecut.passes.profile.profile import Profiled


def compile_model(  # noqa: PLR0913  everything that a compile can be told
    model: object,
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    devices: Sequence[str] | None = None,
    shapes: Shapes | Sequence[Shapes] | None = None,
    objective: str = "latency",
    pins: Sequence[str] = (),
    forbids: Sequence[str] = (),
    granularity: Granularity = "cluster",
    tolerance: float | None = None,
    max_energy_j: float | None = None,
    max_batch: int | None = None,
    max_latency_s: float | None = None,
    max_memory_bytes: float | None = None,
    costs: CostTable | CostModel | None = None,
    settings: Settings = Settings(),
    isolated: bool = False,
) -> Plan:
    """Decide where each part of `model` runs and return a plan that runs it so.

    `model` is a path (.onnx, .pt2), `package.module:factory`, `zoo:NAME`, a torch Module,
    ExportedProgram or GraphModule (with `example_inputs`), an ONNX model, or one that has been
    imported. What a torch model changes in place, its inputs or its buffers, comes back as further
    outputs, after a warning: a plan keeps nothing from one run to the next. `feeds` are sample
    inputs by name, for models that bring none; `shapes` bind symbolic dimensions: a shape for each
    input by name, or several such mappings, each of which becomes a variant of the plan.
    `devices` are specs, `NAME[:key=value,...]`; without them, the real devices of this machine, or
    those of `costs`: a table to use instead of measuring, or a function that makes one of the graph
    with each node's candidates; contenders are then compared by it, too. `objective` is latency,
    energy, or weights for both: `latency=1,energy=0.5`; or throughput, for a plan whose session
    streams as many inputs a second as can be.
    `pins` and `forbids` are rules, `PATTERN=DEVICE`: which nodes must run where, and where they
    must not. `tolerance` is the most by which an output may be off, as a part of its largest
    number. `max_energy_j` is the most that a run may take, by the costs. Of a stream, `max_batch`
    says how many inputs it may run in one call, where that is faster (8 unless said), and
    `max_latency_s` and `max_memory_bytes` what an input may take from end to end, and what weights
    and values on their way may, by the costs. `isolated` measures in a process of its own, which an
    engine may take down: then the compile goes on without that engine there. Its progress is not
    seen.

    Raises StagecutError for everything that is wrong with the input or the circumstances.
    """
    check_measuring(devices, feeds, granularity, settings)
    check_question(objective, pins, forbids, tolerance, max_energy_j, costs)
    check_stream(max_batch, max_latency_s, max_memory_bytes)
    table = costs if isinstance(costs, CostTable) else None
    if isolated:
        check_alone(costs)
        request = replace(
            Request.of("compile", devices, shapes, granularity, settings),
            objective=objective,
            pins=tuple(pins),
            forbids=tuple(forbids),
            tolerance=tolerance,
            max_energy_j=max_energy_j,
            max_batch=max_batch,
            max_latency_s=max_latency_s,
            max_memory_bytes=max_memory_bytes,
            costs=None if table is None else write_costs(table),
        )
        return compile_isolated(model, example_inputs, feeds, request, settings)
    phases = Phases(settings.clock)
    named = devices or (None if table is None else [each.name for each in table.machine.devices])
    goal = parse_objective(objective)
    context = context_of(
        named, settings, lower_precision=tolerance is not None, streams=goal.streams
    )
    question = _Question(
        context,
        goal,
        Restrict(tuple(map(parse_rule, pins)), tuple(map(parse_rule, forbids))),
        granularity,
        tolerance,
        max_energy_j,
        limits_of_stream(max_latency_s, max_memory_bytes),
        None if context.only_reference else costs,
        phases,
    )
    with phases("import"):
        bound = _each(shapes, table)
        shaped = [name for each in bound for name in each]
        imported, feeds = import_model(
            model, example_inputs=example_inputs, feeds=feeds, shaped=shaped
        )
        tell(imported, model, settings.warn)
        programs = programs_for(imported, bound, feeds)
        opened = open_form(imported)
    folder = scratch_folder(settings)
    with ArchiveWriter(folder.path / "model.plan") as archive:
        with phases("weights"):
            parts = [program.model for program in programs] + ([] if opened is None else [opened])
            weights = write_weights_into(parts, archive)
            if opened is not None:
                weights[-1].refer(opened.graph)
        files: dict[str, bytes] = {}
        variants = [
            question.answered(program, file, opened, files, index)
            for index, (program, file) in enumerate(zip(programs, weights, strict=False))
        ]
        if costs is not None and (max_batch or 1) > 1:
            settings.warn(
                "inputs are run one by one: costs that are handed in say nothing of batches"
            )
        if goal.streams and costs is None:
            singles = tuple(variants)
            for index, program in enumerate(programs):
                question.batched(
                    program, index, singles, variants, opened, weights, files, max_batch
                )
        with phases("write"):
            if opened is not None:
                files[MODEL_FILE] = model_bytes(opened)
            if programs[0].defaults:
                files[DEFAULTS_FILE] = defaults_model(programs[0].defaults)
            entry = PlannedEntry(tuple(variants), imported.left_out, imported.fixed)
            plan = write_plan(archive, PlanDocument({MAIN: entry}), files, folder)
    return replace(plan, phases=phases.seconds)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked for, whatever the shapes; answered for one shape at a time."""

    context: CompileContext
    objective: Objective
    restrict: Restrict
    granularity: Granularity
    tolerance: float | None
    max_energy_j: float | None
    limits: tuple[Limit, ...]
    costs: CostTable | CostModel | None
    phases: Phases

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
        phases, prefix = self.phases, file_prefix(index)
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
            always = backends.always(self.context.specs)
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
                self.context.backends,
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
            )
            for staged in (shipped[0], *(() if spare is None else spare[:1])):
                for stage_program in staged.programs:
                    files[f"{prefix}{stage_program.name}.onnx"] = model_bytes(stage_program.model)
            files[costs_file(index)] = decided.costs_text.encode()
            if decided.proof:
                files[stream_file(index)] = decided.proof.encode()
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
        most: int | None,
    ) -> None:
        """Let up to `most` inputs of the variant `index` run in one call, where that is faster: in
        a further variant.

        `singles` are the variants that run their inputs one by one; `every_weights` are those of
        each variant, then those of `opened`. Who asks for batches is told where there are none.
        """
        alone = singles[index]
        problem = batching_problem(alone.inputs, alone.outputs)
        if not problem and any(limit.name == "memory" for limit in self.limits):
            problem = "--max-memory counts one set of stages, and batches have their own"
        if opened is None or problem:
            if most is not None and most > 1:
                self.context.settings.warn(f"inputs are run one by one: {problem}")
            return
        own_weights, weights = every_weights[index], every_weights[-1]
        with self.phases("batches"):
            found = self._best_batch(alone, program, opened, weights, most)
        if found is None:
            return
        size, stacked = found
        shapes = [array.shape for array in stacked.feeds.values()]
        known = [each for each in singles if [port.shape for port in each.inputs] == shapes]
        if known:
            variants[index] = with_batches(alone, known[0], size, self.limits)
            return
        own: dict[str, bytes] = {}
        try:
            planned = self.answered(stacked, weights, opened, own, len(variants))
        except StagecutError as error:  # there is a plan without it
            self.context.settings.warn(f"inputs are run one by one: {error.problem}")
            return
        if is_faster(planned, alone, size) and not same_threads(alone, planned):
            made = self._on_devices_of(planned, alone, program, own_weights, opened, own, index)
            alone = made or alone
        streamed = with_batches(alone, planned, size, self.limits)
        if streamed.shipped.id.batch > 1:
            variants[index] = streamed
            variants.append(planned)
            files |= own
        elif most is not None:
            self.context.settings.warn("inputs are run one by one: no batch is clearly faster")

    def _best_batch(
        self,
        alone: PlannedVariant,
        program: Program,
        opened: ir.Model,
        weights: WeightFile,
        most: int | None,
    ) -> tuple[int, Program] | None:
        """As `Batches.best` has it, whose engines are gone when it is known."""
        measurements, _ = self._placed(program, weights, opened)
        return Batches(
            alone,
            measurements.on_samples_that_run(),
            opened,
            lambda stacked: self._placed(stacked, weights, opened),
            USUAL_BATCH if most is None else most,
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
        graph = Cluster(self.context.backends, self.granularity)(graph_of(program))
        expanded = Expand(self.context.backends)(graph)
        return Measurements(self.context, program, graph, weights, opened), expanded

    @property
    def _decide(self) -> Decide | DecideStream:
        by_costs = self.costs is not None
        if self.objective.streams:
            return DecideStream(self.restrict, self.tolerance, self.limits, by_costs, self.phases)
        return Decide(
            self.objective, self.restrict, self.tolerance, self.max_energy_j, by_costs, self.phases
        )

    def _profiled(self, measurements: Measurements, expanded: ExpandedGraph) -> Profiled:
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


def _each(shapes: Shapes | Sequence[Shapes] | None, costs: CostTable | None) -> Sequence[Shapes]:
    """The shapes of each variant, one after the other."""
    several = each_shape(shapes)
    if costs is not None and len(several) > 1:
        raise UsageError(
            "a cost table is for one shape of each input",
            where=f"cost table {costs.name}",
            fix="compile without the table, or for one shape",
        )
    return several

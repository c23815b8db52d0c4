"""The whole compile on one page.

model -> Program -> Graph -> cluster -> expand -> profile -> CostTable
      -> partition -> Assignment + Certificate -> stage -> gate -> Plan file
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx_ir as ir

from stagecut import backends
from stagecut.compiler.context import Dump, Settings
from stagecut.compiler.formats.archive import writing
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.formats.plan_file import (
    MODEL_FILE,
    Plan,
    costs_file,
    file_prefix,
    write_plan,
)
from stagecut.compiler.formats.weights import FILE_NAME, WeightFile, write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.normal_form.normalise import declared, open_form
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.frontends.shapes import Shapes
from stagecut.compiler.frontends.variants import programs_for
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Backend, Feeds
from stagecut.compiler.ir.errors import CostTableError, UsageError
from stagecut.compiler.ir.graph import Dims
from stagecut.compiler.ir.objective import Objective, parse_objective
from stagecut.compiler.ir.plan import Manifest
from stagecut.compiler.ir.program import Program
from stagecut.compiler.measure.supervisor import SCRATCH_NOTE
from stagecut.compiler.workbench import Workbench, model_bytes
from stagecut.passes.assemble import Assemble
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.gate import gate
from stagecut.passes.gate.contenders import entries as contenders_of
from stagecut.passes.gate.fallback import fallback_stages
from stagecut.passes.partition.explain import least_totals
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.restrict import Restrict, parse_rule
from stagecut.passes.profile.paths import ProfilePlan, plan_paths
from stagecut.passes.profile.profile import Profiled
from stagecut.passes.profile.synthetic import made_up


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
    costs: CostTable | None = None,
    settings: Settings = Settings(),
) -> Plan:
    """Decide where each part of `model` runs and return a plan that runs it so.

    `model` is a path (.onnx, .pt2), `package.module:factory`, `zoo:NAME`, a torch Module,
    ExportedProgram or GraphModule (with `example_inputs`), or an ONNX model. `feeds` are sample
    inputs by name, for models that bring none; `shapes` bind symbolic dimensions: a shape for each
    input by name, or several such mappings, each of which becomes a variant of the plan.
    `devices` are specs, `NAME[:key=value,...]`; without them, the real devices of this machine, or
    those of `costs`: a table to use instead of measuring, by which the contenders are then
    compared, too. `objective` is latency, energy, or weights for both: `latency=1,energy=0.5`.
    `pins` and `forbids` are rules, `PATTERN=DEVICE`: which nodes must run where, and where they
    must not. `tolerance` is the most by which an output may be off, as a part of its largest
    number.

    Raises StagecutError for everything that is wrong with the input or the circumstances.
    """
    specs = tuple(map(backends.lasting, devices or _devices_of(costs, tolerance)))
    engines = backends.create_all(specs)
    compile_program = _Compile(
        engines,
        dict(zip(engines, specs, strict=True)),
        parse_objective(objective),
        Restrict(tuple(map(parse_rule, pins)), tuple(map(parse_rule, forbids))),
        granularity,
        tolerance,
        costs,
        settings,
    )
    imported, feeds = import_model(model, example_inputs=example_inputs, feeds=feeds)
    programs = programs_for(imported, _each(shapes, costs), feeds)
    opened = open_form(imported)
    folder = _scratch_folder(settings)
    parts = [program.model for program in programs] + ([] if opened is None else [opened])
    weights = write_weights(parts, Path(folder.name))
    files: dict[str, bytes | Path] = {}
    manifests = [
        compile_program(program, file, _dims(opened, program), files, index)
        for index, (program, file) in enumerate(zip(programs, weights, strict=False))
    ]
    if opened is not None:
        weights[-1].refer(opened.graph)
        files[MODEL_FILE] = model_bytes(opened)
    files[FILE_NAME] = weights[0].path
    path = Path(folder.name) / "model.plan"
    write_plan(path, manifests, files)
    return Plan.load(path, folder=folder)


@dataclass(frozen=True, slots=True)
class _Compile:
    """What is asked for, whatever the shapes."""

    engines: Mapping[str, Backend]
    specs: Mapping[str, str]
    objective: Objective
    restrict: Restrict
    granularity: Granularity
    tolerance: float | None
    costs: CostTable | None
    settings: Settings

    def __call__(
        self,
        program: Program,
        weights: WeightFile,
        dims: Mapping[str, Dims],
        files: dict[str, bytes | Path],
        index: int,
    ) -> Manifest:
        """The manifest of the variant `index`; puts the files that it names into `files`."""
        engines, restrict, goal = self.engines, self.restrict, self.objective
        prefix = file_prefix(index)
        dump = Dump(self.settings.dump, prefix)
        graph = Cluster(engines, self.granularity)(graph_of(program))
        dump("graph", graph)
        expanded = Expand(engines)(graph)
        dump("expanded", expanded)
        restrict.check(expanded)
        bench = Workbench(
            program,
            graph,
            engines=engines,
            specs=self.specs,
            weights=weights,
            settings=self.settings,
        )
        costs = self.costs
        profiled = bench.profile(expanded) if costs is None else _handed_in(costs, expanded)
        for fault in profiled.faults:
            expanded = expanded.without(fault.node, fault.device, fault.reason)
        costs_text = write_costs(profiled.costs)
        dump("costs", costs_text, "json")
        allowed = restrict(profiled.costs)
        solution = Partition(goal)(allowed)
        dump("assignment", f"{solution.certificate}\n{solution.assignment}")
        entries = contenders_of(allowed, solution.assignment, goal, bench.stage)
        if self.tolerance is not None:
            entries = bench.within(entries, self.tolerance)
        compared = (
            bench.compare(entries, allowed, goal)
            if costs is None
            else gate.predicted(entries, allowed, goal)
        )
        dump("contenders", "\n".join(map(str, compared.contenders)))
        chosen = next(entry for entry in entries if entry.name == compared.chosen.name)
        dump("stages", "\n".join(map(str, chosen.stages)))
        fallback = fallback_stages(entries, compared)
        manifest = Assemble(
            expanded,
            profiled.costs,
            solution.certificate,
            profiled.paths,
            program,
            bench.provenance(self._options()),
            goal,
            least_totals(allowed, goal) or {},
            dims,
            prefix,
        )(
            chosen.assignment,
            chosen.stages,
            compared.contenders,
            bench.accuracy(chosen.stages),
            (*map(str, profiled.faults), *compared.dropped),
            fallback,
        )
        planned = (*manifest.stages, *manifest.fallback)
        for each, stage in zip(planned, (*chosen.stages, *fallback), strict=True):
            files[each.file] = model_bytes(stage.program.model)
        files[costs_file(index)] = costs_text.encode()
        return manifest

    def _options(self) -> Mapping[str, str]:
        return {
            "granularity": self.granularity,
            "objective": str(self.objective),
            "pin": ", ".join(map(str, self.restrict.pins)),
            "forbid": ", ".join(map(str, self.restrict.forbids)),
            "tolerance": "" if self.tolerance is None else f"{self.tolerance:g}",
        }


def profile_model(
    model: object,
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    devices: Sequence[str] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    granularity: Granularity = "cluster",
    settings: Settings = Settings(),
) -> Profiled:
    """The first half of `compile_model`: measure, and return the cost table and its paths."""
    specs = tuple(map(backends.lasting, devices or backends.real_devices()))
    engines = backends.create_all(specs)
    program = load_program(model, example_inputs=example_inputs, shapes=shapes, feeds=feeds)
    graph = Cluster(engines, granularity)(graph_of(program))
    expanded = Expand(engines)(graph)
    with _scratch_folder(settings) as folder:
        bench = Workbench(
            program,
            graph,
            engines=engines,
            specs=dict(zip(engines, specs, strict=True)),
            weights=write_weights([program.model], Path(folder))[0],
            settings=settings,
        )
        return bench.profile(expanded)


def plan_profile(
    model: object,
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    devices: Sequence[str] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    granularity: Granularity = "cluster",
) -> ProfilePlan:
    """What `profile_model` would run, and what for; nothing is measured."""
    engines = backends.create_all(tuple(devices or backends.real_devices()))
    program = load_program(model, example_inputs=example_inputs, shapes=shapes, feeds=feeds)
    graph = Cluster(engines, granularity)(graph_of(program))
    return plan_paths(Expand(engines)(graph))


def unmeasured(
    model: object,
    *,
    devices: Sequence[str],
    granularity: Granularity = "cluster",
    feeds: Feeds | None = None,
) -> CostTable:
    """A table that measures nothing: each node is best on the first device that can run it."""
    engines = backends.create_all(tuple(map(backends.lasting, devices)))
    program = load_program(model, feeds=feeds)
    expanded = Expand(engines)(Cluster(engines, granularity)(graph_of(program)))
    return made_up(expanded, lambda candidates: candidates[0])


def _each(shapes: Shapes | Sequence[Shapes] | None, costs: CostTable | None) -> Sequence[Shapes]:
    """The shapes of each variant, one after the other."""
    several = [shapes or {}] if shapes is None or isinstance(shapes, Mapping) else shapes
    if costs is not None and len(several) > 1:
        raise UsageError(
            "a cost table is for one shape of each input",
            where=f"cost table {costs.name}",
            fix="compile without the table, or for one shape",
        )
    return several or [{}]


def _dims(opened: ir.Model | None, program: Program) -> Mapping[str, Dims]:
    return {} if opened is None else declared(opened, program)


def _devices_of(costs: CostTable | None, tolerance: float | None) -> Sequence[str]:
    if costs is None:
        return backends.real_devices(lower_precision=tolerance is not None)
    return [device.name for device in costs.machine.devices]


def _scratch_folder(settings: Settings) -> "TemporaryDirectory[str]":
    parent = settings.scratch
    with writing(parent or Path()):
        folder = TemporaryDirectory(dir=parent, prefix=".stagecut-")
    if settings.notes is not None:
        (settings.notes / SCRATCH_NOTE).write_text(folder.name)
    return folder


def _handed_in(costs: CostTable, expanded: ExpandedGraph) -> Profiled:
    """A cost table from elsewhere; raises CostTableError unless it is for this very graph."""
    graph = {node.name for node in expanded.graph.nodes}
    table = {node.name for node in costs.nodes}
    if graph != table:
        odd = min(graph ^ table)
        place = "the table" if odd in table else "the model"
        raise CostTableError(
            f"is for another model: node {odd!r} is only in {place}",
            where=f"cost table {costs.name}",
            fix="profile this model, with the same devices, shapes and granularity",
        )
    for index, node in enumerate(costs.nodes):
        for device in node.run_s:
            if device not in expanded.candidates[node.name]:
                reason = expanded.refusals[node.name].get(device, "it is not among the devices")
                raise CostTableError(
                    f"{device} cannot run {node.name!r}: {reason}",
                    where=f"nodes[{index}].run_s.{device}",
                    fix="take this entry out of the table",
                )
    return Profiled(costs, ())

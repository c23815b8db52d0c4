"""The first half of a compile by itself: what a model's parts cost, and what would be measured.

model -> Program -> Graph -> cluster -> expand -> profile -> CostTable
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stagecut import backends
from stagecut.compiler.arguments import (
    ProfileObjective,
    check_measuring,
    check_profile_objective,
    each_shape,
)
from stagecut.compiler.arrows import Phases
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.context_of import context_of, scratch_folder, without_crashed
from stagecut.compiler.decide_stream import DecideStream
from stagecut.compiler.entries import decode_step
from stagecut.compiler.formats.weights import WeightFile, write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.costs_by_length import CostsByLength
from stagecut.compiler.ir.device import Backend, Feeds, Listener
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.residents import NO_RESIDENTS, Residents
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.isolated import Request, profile_isolated
from stagecut.compiler.kept_profile import profile_of
from stagecut.compiler.measurements import Measurements
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.profile.by_length import by_length
from stagecut.passes.profile.kinds import Representatives, kinds_of
from stagecut.passes.profile.paths import ProfilePlan, plan_paths
from stagecut.passes.profile.profile import Profiled


def profile_model(  # noqa: PLR0913  as compile_model, whose first half it is
    model: object,
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    devices: Sequence[str] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    granularity: Granularity = "cluster",
    objective: ProfileObjective = "latency",
    decoding: DecodingOptions = DecodingOptions(),
    settings: Settings = Settings(),
    isolated: bool = False,
) -> Profiled:
    """The first half of `compile_model`: measure, and return the cost table and its paths.

    With the objective `throughput`, costs are those of streams: of one input at a time, with all
    CPUs at work, in stages such as the solver would choose. `decoding` with a length asks for a
    decoder's step behind so many tokens. `isolated` is as there.
    """
    check_measuring(devices, feeds, granularity, settings, decoding)
    check_profile_objective(objective)
    if isolated:
        request = Request.of("profile", devices, shapes, granularity, settings)
        request = replace(request, objective=objective, decoding=decoding)
        return profile_isolated(model, example_inputs, feeds, request, settings)
    streams = objective == "throughput"
    context = context_of(devices, settings, streams=streams)
    program, residents = _program(model, example_inputs, shapes, feeds, decoding)
    expanded = _expanded(program, context.backends, granularity)
    with scratch_folder(settings) as folder:
        [weights] = write_weights([program.model], folder)
        measurements = _measurements(program, expanded, context, weights, residents)
        profiled = profile_of(measurements, expanded)
        if not streams:
            return profiled
        decide = DecideStream.of_any(None, Phases(settings.clock, settings.phase))
        return decide.costs(measurements, expanded, profiled)


def profile_by_length(
    model: object,
    lengths: Sequence[int],
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    devices: Sequence[str] | None = None,
    granularity: Granularity = "cluster",
    decoding: DecodingOptions = DecodingOptions(),
    settings: Settings = Settings(),
) -> CostsByLength:
    """What a decoder's step costs behind each of `lengths` tokens, two or more of them: real
    devices are measured at each, modelled ones asked.

    Raises UsageError for lengths that are none, and what `profile_model` raises.
    """
    check_measuring(devices, feeds, granularity, settings, decoding)
    room = decoding.capacity or max((length + 1 for length in lengths), default=None)
    options = {length: replace(decoding, length=length, capacity=room) for length in lengths}
    if len(options) < 2:
        raise UsageError(
            f"{len(options)} lengths make no line", where="lengths", fix="give two or more"
        )
    context = context_of(devices, settings)
    imported, feeds = import_model(model, example_inputs=example_inputs, feeds=feeds)
    tables: dict[int, CostTable] = {}
    graphs: dict[int, Graph] = {}
    steps = {each: decode_step(imported, feeds, options[each], {}) for each in sorted(options)}
    with scratch_folder(settings) as folder:
        weights = write_weights([program.model for program, _ in steps.values()], folder)
        for at, length in enumerate(settings.progress(steps, "profiles by length")):
            program, residents = steps[length]
            expanded = _expanded(program, context.backends, granularity)
            measurements = _measurements(program, expanded, context, weights[at], residents)
            tables[length] = profile_of(measurements, expanded).costs
            graphs[length] = expanded.graph
    return by_length(tables, graphs)


def plan_profile(
    model: object,
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    devices: Sequence[str] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    granularity: Granularity = "cluster",
    decoding: DecodingOptions = DecodingOptions(),
    listener: Listener = backends.UNHEARD,
) -> ProfilePlan:
    """What `profile_model` would run, and what for; nothing is measured. `listener` is told what
    devices are asked."""
    check_measuring(devices, feeds, granularity, decoding=decoding)
    named = devices or backends.real_devices(listener=listener)
    engines = backends.create_all([*without_crashed(named, listener)], listener)
    program, _ = _program(model, example_inputs, shapes, feeds, decoding)
    chosen = Representatives.of(_expanded(program, engines, granularity), kinds_of(program))
    return plan_paths(chosen.expanded, chosen.of_all)


def _program(
    model: object,
    example_inputs: object,
    shapes: Mapping[str, tuple[int, ...]] | None,
    feeds: Feeds | None,
    decoding: DecodingOptions,
) -> tuple[Program, Residents]:
    """What is asked about: the model as a whole, or its step behind so many tokens, with states
    that stay where they are read."""
    bound = each_shape(shapes)[0]
    if decoding.length is None:
        program = load_program(model, example_inputs=example_inputs, shapes=bound, feeds=feeds)
        return program, NO_RESIDENTS
    imported, feeds = import_model(model, example_inputs=example_inputs, feeds=feeds, shaped=bound)
    return decode_step(imported, feeds, decoding, bound)


def _measurements(
    program: Program,
    expanded: ExpandedGraph,
    context: CompileContext,
    weights: WeightFile,
    residents: Residents,
) -> Measurements:
    """Where the folder of the weights is there for as long as something is measured."""
    found = Measurements(context, program, expanded.graph, weights, residents=residents)
    return found.on_samples_that_run()


def _expanded(
    program: Program, engines: Mapping[str, Backend], granularity: Granularity
) -> ExpandedGraph:
    return Expand(engines)(Cluster(engines, granularity)(graph_of(program)))

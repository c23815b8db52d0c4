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
from stagecut.compiler.context import Settings
from stagecut.compiler.context_of import context_of, scratch_folder
from stagecut.compiler.decide_stream import DecideStream
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.device import Backend, Feeds
from stagecut.compiler.ir.program import Program
from stagecut.compiler.isolated import Request, profile_isolated
from stagecut.compiler.kept_profile import profile_of
from stagecut.compiler.measurements import Measurements
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.profile.kinds import Representatives, kinds_of
from stagecut.passes.profile.paths import ProfilePlan, plan_paths
from stagecut.passes.profile.profile import Profiled


def profile_model(
    model: object,
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    devices: Sequence[str] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    granularity: Granularity = "cluster",
    objective: ProfileObjective = "latency",
    settings: Settings = Settings(),
    isolated: bool = False,
) -> Profiled:
    """The first half of `compile_model`: measure, and return the cost table and its paths.

    With the objective `throughput`, costs are those of streams: of one input at a time, with all
    CPUs at work, in stages such as the solver would choose. `isolated` is as there.
    """
    check_measuring(devices, feeds, granularity, settings)
    check_profile_objective(objective)
    if isolated:
        request = Request.of("profile", devices, shapes, granularity, settings)
        request = replace(request, objective=objective)
        return profile_isolated(model, example_inputs, feeds, request, settings)
    streams = objective == "throughput"
    context = context_of(devices, settings, streams=streams)
    program = load_program(
        model, example_inputs=example_inputs, shapes=each_shape(shapes)[0], feeds=feeds
    )
    expanded = _expanded(program, context.backends, granularity)
    with scratch_folder(settings) as folder:
        weights = write_weights([program.model], folder)[0]
        measurements = Measurements(context, program, expanded.graph, weights)
        measurements = measurements.on_samples_that_run()
        profiled = profile_of(measurements, expanded)
        if not streams:
            return profiled
        decide = DecideStream(
            Restrict((), ()), None, (), False, Phases(settings.clock, settings.phase)
        )
        return decide.costs(measurements, expanded, profiled)


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
    check_measuring(devices, feeds, granularity)
    engines = backends.create_all(tuple(devices or backends.real_devices()))
    program = load_program(
        model, example_inputs=example_inputs, shapes=each_shape(shapes)[0], feeds=feeds
    )
    chosen = Representatives.of(_expanded(program, engines, granularity), kinds_of(program))
    return plan_paths(chosen.expanded, chosen.of_all)


def expand_model(
    model: object,
    *,
    example_inputs: object = None,
    feeds: Feeds | None = None,
    devices: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    granularity: Granularity = "cluster",
) -> ExpandedGraph:
    """What each device could run of a model, and why it refuses the rest; nothing is run."""
    engines = backends.create_all(tuple(devices))
    program = load_program(
        model, example_inputs=example_inputs, shapes=each_shape(shapes)[0], feeds=feeds
    )
    return _expanded(program, engines, granularity)


def _expanded(
    program: Program, engines: Mapping[str, Backend], granularity: Granularity
) -> ExpandedGraph:
    return Expand(engines)(Cluster(engines, granularity)(graph_of(program)))

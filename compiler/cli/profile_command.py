"""`stagecut profile`: measure a model's parts and write the cost table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import decoding, limits
from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import note, print_json, say
from stagecut.compiler.cli.outputs import check_outputs
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.measure.crash_journal import ENGINE_TIMEOUT_S

if TYPE_CHECKING:
    from stagecut.compiler.arguments import ProfileObjective
    from stagecut.compiler.ir.costs_by_length import CostsByLength
    from stagecut.passes.cluster.cluster import Granularity
    from stagecut.passes.profile.paths import ProfilePlan


def profile(
    context: typer.Context,
    model: common.ModelArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The cost table to write.")
    ] = None,
    plan_only: Annotated[
        bool,
        typer.Option("--plan-only", help="Only say what would be run, and what for."),
    ] = False,
    device: common.DeviceOption = None,
    shape: common.ShapeOption = None,
    feed: common.FeedOption = None,
    granularity: common.GranularityOption = "cluster",
    objective: Annotated[
        str,
        typer.Option(
            metavar="latency|throughput",
            help="What the costs are for: single runs, each part by itself; or streams, in stages, "
            "with all CPUs at work.",
        ),
    ] = "latency",
    length: decoding.LengthsOption = None,
    state: decoding.StateOption = None,
    cores: common.CoresOption = None,
    engine_timeout: limits.EngineTimeoutOption = ENGINE_TIMEOUT_S,
    cache_dir: common.CacheOption = None,
    no_cache: common.NoCacheOption = False,
    json: common.JsonOption = False,
) -> None:
    """Measure what every part of MODEL costs on every device, in as few runs as can be.

    The cost table can be edited, or made with other tools; `stagecut partition` and
    `stagecut compile --costs` take it.

      stagecut profile zoo:bert-small -o costs.json --device cpu.serial --device cpu.parallel
      stagecut profile zoo:bert-small --plan-only
      stagecut profile zoo:bert-small -o stream.json --objective throughput
      stagecut profile zoo:gpt2:past=1024 -o steps.json --length 128,512,1000
    """
    from stagecut import backends
    from stagecut.compiler.formats.atomic import replacing
    from stagecut.compiler.formats.costs_json import write_costs
    from stagecut.compiler.profiling import plan_profile, profile_by_length, profile_model

    common.keep_to_cores(cores)
    finest: Granularity = common.one_of(granularity, ("cluster", "op"), "--granularity")
    choices: tuple[ProfileObjective, ...] = ("latency", "throughput")
    goal = common.one_of(objective, choices, "--objective")
    shapes, feeds = common.parse_shapes(shape), common.read_feeds(feed) or None
    lengths = decoding.parse_lengths(length)
    if len(lengths) > 1 and (plan_only or shapes or goal != "latency"):
        raise UsageError(
            "several lengths are profiled for single runs, and with no other shapes",
            where="--length",
            fix="give one length, or leave out --plan-only, --shape and --objective",
        )
    if plan_only:
        if goal != "latency":
            raise UsageError(
                "which stages are run in streams follows from what is measured",
                where="--plan-only",
                fix="leave out --objective throughput, to see what is run first; or --plan-only",
            )
        plan = plan_profile(
            model,
            feeds=feeds,
            devices=device,
            shapes=shapes,
            granularity=finest,
            decoding=decoding.at_length(lengths, state),
            listener=common.listener(context.obj),
        )
        if json:
            print_json("stagecut.profile/1", _plan_document(plan))
        else:
            _show_plan(plan)
        return
    if output is None:
        raise UsageError(
            "there is no file to write the cost table to",
            where="--output",
            fix="add -o costs.json, or --plan-only to measure nothing",
        )
    check_outputs(
        {"--output": output}, (*common.model_files(model, output), *common.feed_files(feed))
    )
    for left in () if device else backends.left_out(common.listener(context.obj)):
        note(left)
    settings = common.make_settings(
        cache_dir=cache_dir,
        no_cache=no_cache,
        output=output,
        notes=context.obj,
        engine_timeout_s=engine_timeout,
    )
    if len(lengths) > 1:
        costs = profile_by_length(
            model,
            lengths,
            feeds=feeds,
            devices=device,
            granularity=finest,
            decoding=decoding.decoding_options(None, None, state),
            settings=settings,
        )
        _write_by_length(costs, output, json)
        return
    profiled = profile_model(
        model,
        feeds=feeds,
        devices=device,
        shapes=shapes,
        granularity=finest,
        objective=goal,
        decoding=decoding.at_length(lengths, state),
        settings=settings,
    )
    with replacing(output) as temporary:
        temporary.write_text(write_costs(profiled.costs), "utf-8")
    paths = [
        {"name": path.name, "reason": path.reason, "runs": path.runs} for path in profiled.paths
    ]
    if json:
        nodes = len(profiled.costs.nodes)
        print_json(
            "stagecut.profile/1", {"costs": str(output), "nodes": nodes, "profile_paths": paths}
        )
        return
    for path in profiled.paths:
        say(f"path {path.name}: {path.reason} ({path.runs} runs)")
    if goal == "throughput":
        say("then whole replicas and pipelines were run, full, to scale what was measured")
    say(f"wrote {output}: {len(profiled.costs.nodes)} nodes")


def _write_by_length(costs: "CostsByLength", output: Path, json: bool) -> None:
    from stagecut.compiler.cli.by_length_output import misfit_lines
    from stagecut.compiler.formats.atomic import replacing
    from stagecut.compiler.formats.costs_by_length_json import write_costs_by_length

    with replacing(output) as temporary:
        temporary.write_text(write_costs_by_length(costs), "utf-8")
    nodes = len(costs.tables[0].nodes)
    if json:
        document = {"costs": str(output), "nodes": nodes, "lengths": list(costs.lengths)}
        print_json("stagecut.profile/1", {**document, "misfit": dict(costs.misfit())})
        return
    say(*misfit_lines(costs))
    say(f"wrote {output}: {nodes} nodes at {', '.join(map(str, costs.lengths))} tokens")


def _plan_document(plan: "ProfilePlan") -> dict[str, object]:
    return {
        "node_paths": len(plan.nodes),
        "transfer_paths": len(plan.transfers),
        "fewest": plan.fewest,
        "profile_paths": [
            {
                "name": path.name,
                "reason": path.reason,
                "covers": [
                    {
                        "source": transfer.route.source,
                        "target": transfer.route.target,
                        "size_bytes": transfer.size_bytes,
                    }
                    for transfer in path.covers
                ],
                "assignment": dict(path.assignment.devices),
            }
            for path in plan.paths
        ],
    }


def _show_plan(plan: "ProfilePlan") -> None:
    for path in plan.paths:
        say(f"path {path.name}: {path.reason}")
    proof = f"no fewer than {plan.fewest} can measure everything"
    say(f"{len(plan.nodes)} + {len(plan.transfers)} paths; {proof}; nothing was run")

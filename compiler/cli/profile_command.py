"""`stagecut profile`: measure a model's parts and write the cost table."""

from pathlib import Path
from typing import Annotated

import typer

from stagecut.compiler.cli import common


def profile(
    model: common.ModelArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The cost table to write.")],
    device: common.DeviceOption = None,
    shape: common.ShapeOption = None,
    feed: common.FeedOption = None,
    granularity: common.GranularityOption = "cluster",
    cache_dir: common.CacheOption = None,
    no_cache: common.NoCacheOption = False,
    json: common.JsonOption = False,
) -> None:
    """Measure what every part of MODEL costs on every device, in as few whole runs as can be.

    The cost table is the border between measuring and solving: edit it, or make one with other
    tools, and hand it to `stagecut partition` or `stagecut compile --costs`.

      stagecut profile zoo:bert-small -o costs.json --device cpu.serial --device cpu.parallel
    """
    from stagecut.compiler.archive import replacing
    from stagecut.compiler.costs_json import write_costs
    from stagecut.compiler.pipeline import profile_model

    profiled = profile_model(
        model,
        feeds=common.read_feeds(feed) or None,
        devices=device,
        shapes=common.parse_shapes(shape),
        granularity=common.one_of(granularity, ("cluster", "op"), "--granularity"),
        settings=common.make_settings(cache_dir=cache_dir, no_cache=no_cache, output=output),
    )
    with replacing(output) as temporary:
        temporary.write_text(write_costs(profiled.costs))
    paths = [
        {"name": path.name, "reason": path.reason, "runs": path.runs} for path in profiled.paths
    ]
    if json:
        nodes = len(profiled.costs.nodes)
        common.print_json({"costs": str(output), "nodes": nodes, "profile_paths": paths})
        return
    for path in profiled.paths:
        typer.echo(f"path {path.name}: {path.reason} ({path.runs} runs)")
    typer.echo(f"wrote {output}: {len(profiled.costs.nodes)} nodes")

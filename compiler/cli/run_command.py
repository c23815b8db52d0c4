"""`stagecut run`: run a plan file on given or random inputs."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import print_json, progress_bars
from stagecut.compiler.cli.run_output import Runs, document, show
from stagecut.compiler.ir.errors import ShapeError, UsageError

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Tensor
    from stagecut.compiler.ir.plan import InputPort


def run(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file.")],
    feed: common.FeedOption = None,
    random: Annotated[
        int | None, typer.Option(metavar="SEED", help="Random values for inputs not given.")
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="INPUT=1x128",
            help="The shape of a random input; without it, the one that was profiled.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None, typer.Option(help="Write each output to a .npy file in this folder.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="How often to run; times are medians.")] = 1,
    trace: Annotated[
        Path | None,
        typer.Option(help="Write a Chrome trace of the last run (open it in ui.perfetto.dev)."),
    ] = None,
    fallback: Annotated[
        bool,
        typer.Option("--fallback", help="Where a device is missing, run on ONNX Runtime alone."),
    ] = False,
    json: common.JsonOption = False,
) -> None:
    """Run a plan and say what came out and how long each stage took.

    stagecut run bert.plan --random 0 --repeat 20
    stagecut run bert.plan --input input_ids=ids.npy --output-dir out --trace run.json
    """
    from stagecut.compiler.formats.atomic import replacing
    from stagecut.compiler.formats.chrome_trace import to_chrome
    from stagecut.runtime.session import Session

    session = Session(plan, fallback=fallback)
    if session.is_fallback:
        typer.echo("a device is missing: running the plan's fallback", err=True)
    feeds = common.read_feeds(feed)
    feeds = {**session.defaults, **_random(session.planned.inputs, random, shape), **feeds}
    variant = session.variant(feeds)
    if repeat > 1:
        session.run(None, feeds)  # in their first run engines allocate memory: it does not count
    traces = []
    for _ in progress_bars()(range(repeat), "running"):
        outputs, latest = session.run_with_trace(None, feeds)
        traces.append(latest)
    named = {port.name: out for port, out in zip(session.get_outputs(), outputs, strict=True)}
    files = {} if output_dir is None else _write_outputs(output_dir, named)
    if trace is not None:
        with replacing(trace) as temporary:
            temporary.write_text(to_chrome(traces[-1]))
    runs = Runs(variant, feeds, traces)
    if json:
        print_json("stagecut.run/1", document(runs, named, files))
    else:
        show(runs, named, files)


def _random(
    inputs: "Sequence[InputPort]", seed: int | None, shape: Sequence[str] | None
) -> "dict[str, Tensor]":
    from stagecut.runtime.feeds import random_feeds

    shapes = common.parse_shapes(shape)
    if seed is None:
        if shapes:
            raise UsageError(
                "is for random inputs", where="--shape", fix="add --random 0, or leave it out"
            )
        return {}
    names = [port.name for port in inputs]
    for name in shapes:
        if name not in names:
            raise ShapeError(
                f"there is no input {name!r}",
                where="--shape",
                fix=f"the inputs are {', '.join(names)}",
            )
    return random_feeds(inputs, seed, shapes)


def _write_outputs(folder: Path, outputs: "Mapping[str, Tensor]") -> dict[str, str]:
    """Write `NAME.npy` for each output; characters that suit no file name become `_`."""
    import numpy as np

    from stagecut.compiler.formats.atomic import replacing, writing

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for index, (name, array) in enumerate(outputs.items()):
        path = folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.npy"
        if str(path) in files.values():
            path = folder / f"output-{index}.npy"
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, array)
        files[name] = str(path)
    return files

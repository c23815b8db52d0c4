"""`stagecut run`: run a plan file on given or random inputs."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.cli.output import note, print_json, progress_bars
from stagecut.compiler.cli.outputs import check_outputs
from stagecut.compiler.cli.run_output import Runs, document, show
from stagecut.compiler.cli.run_stream import check_options, run_stream
from stagecut.compiler.ir.errors import FeedError, ShapeError, UsageError

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Tensor
    from stagecut.compiler.ir.port import InputPort


def run(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file.")],
    feed: common.FeedOption = None,
    random: Annotated[
        int | None, typer.Option(metavar="SEED", min=0, help="Random values for inputs not given.")
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
    repeat: Annotated[
        int, typer.Option(min=1, max=10**9, help="How often to run; times are medians.")
    ] = 1,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Write a Chrome trace of the last run, or of the stream's latest calls (open it "
            "in ui.perfetto.dev)."
        ),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Run many inputs at once, and say how fast.")
    ] = False,
    seconds: Annotated[float, typer.Option(help="How long a stream goes on.")] = 10.0,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Inputs a second that a stream is given; without it, as many as it takes.",
        ),
    ] = None,
    fallback: common.FallbackOption = False,
    cluster: common.ClusterOption = None,
    insecure: common.InsecureOption = False,
    json: common.JsonOption = False,
) -> None:
    """Run a plan and say what came out and how long each stage took.

    stagecut run bert.plan --random 0 --repeat 20
    stagecut run bert.plan --input input_ids=ids.npy --output-dir out --trace run.json
    stagecut run bert.plan --random 0 --stream --rate 200
    """
    from stagecut.compiler.formats.atomic import replacing
    from stagecut.compiler.formats.chrome_trace import to_chrome
    from stagecut.runtime.session import Session

    single = {"--repeat": repeat > 1, "--output-dir": output_dir is not None}
    check_options(single, stream=stream, seconds=seconds, rate=rate)
    check_outputs({"--trace": trace}, (plan, *common.feed_files(feed)))
    with Session(
        plan,
        fallback=fallback,
        cluster=cluster,
        insecure=insecure,
        progress=progress_bars(),
        listener=common.listener(context.obj, 0.0),
    ) as session:
        if session.is_fallback:
            note("a device is missing or fails: running the plan's fallback")
        if elsewhere := session.elsewhere:
            note(elsewhere)
        feeds = common.read_feeds(feed)
        feeds = {**session.defaults, **_random(session.planned.inputs, random, shape), **feeds}
        for port in session.get_inputs():
            if port.name not in feeds:
                raise FeedError(
                    "is missing",
                    where=f"input {port.name}",
                    fix=f"add --input {port.name}=FILE.npy, or --random 0 to run on random numbers",
                )
        if stream:
            run_stream(session, feeds, seconds=seconds, rate=rate, trace=trace, json=json)
            return
        variant = session.variant(feeds)
        files = _output_files(output_dir, [port.name for port in session.get_outputs()])
        check_outputs({"--trace": trace, **files}, (plan, *common.feed_files(feed)))
        if repeat > 1:
            session.run(None, feeds)  # in the first run engines allocate memory: it does not count
        traces = []
        for _ in progress_bars()(range(repeat), "running"):
            outputs, latest = session.run_with_trace(None, feeds)
            traces.append(latest)
        named = {port.name: out for port, out in zip(session.get_outputs(), outputs, strict=True)}
        _write_outputs(named, files)
        if trace is not None:
            with replacing(trace) as temporary:
                temporary.write_text(to_chrome(traces[-1], session.host_of), "utf-8")
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


#: Of a file's name, with room for its ending.
_MOST_CHARACTERS = 200


def _output_files(folder: Path | None, names: Sequence[str]) -> dict[str, Path]:
    """`NAME.npy` in the folder for each output; characters that suit no file name become `_`, and
    what would be long, or another output's, `output-N`. None without a folder.

    Makes the folder, so that it is known before the run whether that can be.
    """
    from stagecut.compiler.formats.atomic import writing

    if folder is None:
        return {}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    stems: dict[str, str] = {}
    for index, name in enumerate(names):
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", name)
        suits = len(stem) <= _MOST_CHARACTERS and stem not in stems.values()
        stems[name] = stem if suits else f"output-{index}"
        while list(stems.values()).count(stems[name]) > 1:  # an output is called so
            stems[name] += "_"
    return {name: folder / f"{stem}.npy" for name, stem in stems.items()}


def _write_outputs(outputs: "Mapping[str, Tensor]", files: Mapping[str, Path]) -> None:
    import numpy as np

    from stagecut.compiler.formats.atomic import replacing

    for name, path in files.items():
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, outputs[name])

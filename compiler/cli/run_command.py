"""`stagecut run`: run a plan file on given or random inputs."""

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler.cli import options as common
from stagecut.compiler.ir import units
from stagecut.compiler.ir.errors import ShapeError, UsageError

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Tensor
    from stagecut.compiler.ir.plan import InputPort, Manifest, PlannedStage
    from stagecut.compiler.ir.trace import Trace
    from stagecut.runtime.unprofiled_shapes import Variant


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
    from stagecut.compiler.formats.archive import replacing
    from stagecut.compiler.formats.chrome_trace import to_chrome
    from stagecut.runtime.session import Session

    session = Session(plan, fallback=fallback)
    if session.stages is not session.manifest.stages:
        typer.echo("a device is missing: running the plan's fallback", err=True)
    feeds = common.read_feeds(feed)
    feeds = {**_random(session.manifest.inputs, random, shape), **feeds}
    variant = session.variant(feeds)
    if repeat > 1:
        session.run(None, feeds)  # engines settle in their first run
    traces = []
    for _ in common.progress_bars()(range(repeat), "running"):
        outputs, latest = session.run_with_trace(None, feeds)
        traces.append(latest)
    named = {port.name: out for port, out in zip(session.get_outputs(), outputs, strict=True)}
    files = {} if output_dir is None else _write_outputs(output_dir, named)
    if trace is not None:
        with replacing(trace) as temporary:
            temporary.write_text(to_chrome(traces[-1]))
    ran = _Ran(variant, feeds, traces)
    if json:
        common.print_json(_document(ran, named, files))
    else:
        _show(ran, named, files)


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

    from stagecut.compiler.formats.archive import replacing, writing

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


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stage that ran, and for how long; what was predicted of it, None at shapes that were not
    profiled."""

    planned: "PlannedStage"
    basis: str
    took_s: float
    predicted_s: float | None
    as_built_s: float | None


@dataclass(frozen=True, slots=True)
class _Ran:
    """Some runs of a variant on the same inputs."""

    variant: "Variant"
    feeds: "Mapping[str, Tensor]"
    traces: "Sequence[Trace]"

    @property
    def manifest(self) -> "Manifest":
        return self.variant.manifest

    @property
    def profiled(self) -> bool:
        """Whether it was profiled with the shapes of these inputs."""
        return all(self.feeds[port.name].shape == port.shape for port in self.manifest.inputs)

    @property
    def fallback(self) -> bool:
        fallback = {stage.file.removesuffix(".onnx") for stage in self.manifest.fallback}
        return any(event.name in fallback for event in self.traces[-1].events)

    def stages(self) -> "Iterator[_Stage]":
        everything = (*self.manifest.stages, *self.manifest.fallback)
        planned = {stage.file.removesuffix(".onnx"): stage for stage in everything}
        for event in self.traces[-1].events:
            if event.kind == "stage":
                stage = planned[event.name]
                took_s = statistics.median(trace.stage_s()[event.stage] for trace in self.traces)
                told = (stage.predicted_s, stage.as_built_s) if self.profiled else (None, None)
                yield _Stage(stage, event.basis, took_s, *told)


def _document(
    ran: _Ran, outputs: "Mapping[str, Tensor]", files: Mapping[str, str]
) -> dict[str, object]:
    latencies_s = [trace.latency_s for trace in ran.traces]
    manifest = ran.manifest
    return {
        "outputs": {
            port.name: {
                "dtype": port.dtype,
                "shape": list(outputs[port.name].shape),
                "file": files.get(port.name),
            }
            for port in manifest.outputs
        },
        "shapes": {port.name: list(ran.feeds[port.name].shape) for port in manifest.inputs},
        "profiled_shapes": {port.name: list(port.shape) for port in manifest.inputs},
        "latency_s": {
            "median": statistics.median(latencies_s),
            "min": min(latencies_s),
            "max": max(latencies_s),
            "runs": len(latencies_s),
        },
        "basis": ran.traces[-1].basis,
        "predicted_s": manifest.predicted_s if ran.profiled else None,
        "as_built_s": manifest.as_built_s if ran.profiled else None,
        "fallback": ran.fallback,
        "stages": [
            {
                "index": stage.planned.index,
                "device": stage.planned.device,
                "predicted_s": stage.predicted_s,
                "as_built_s": stage.as_built_s,
                f"{stage.basis}_s": stage.took_s,
            }
            for stage in ran.stages()
        ],
    }


def _show(ran: _Ran, outputs: "Mapping[str, Tensor]", files: Mapping[str, str]) -> None:
    for name, array in outputs.items():
        shape = "x".join(map(str, array.shape)) or "scalar"
        written = f" -> {files[name]}" if name in files else ""
        typer.echo(f"output {name}: {array.dtype} {shape}{written}")
    median_s = statistics.median(trace.latency_s for trace in ran.traces)
    runs = f"median of {len(ran.traces)} runs" if len(ran.traces) > 1 else "one run"
    typer.echo(f"latency {units.seconds(median_s)} ({ran.traces[-1].basis}, {runs})")
    if not ran.profiled:
        typer.echo(f"not profiled at these shapes; the plan is that for {ran.manifest.profiled}")
    for stage in ran.stages():
        wanted_s = stage.predicted_s if stage.as_built_s is None else stage.as_built_s
        told = "" if wanted_s is None else f"predicted {units.seconds(wanted_s)}, "
        typer.echo(
            f"  stage {stage.planned.index} on {stage.planned.device}: "
            f"{units.seconds(stage.took_s)} {stage.basis}, {told}{len(stage.planned.nodes)} nodes"
        )

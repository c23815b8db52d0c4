"""`stagecut run`: run a plan file on given or random inputs."""

import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stagecut.compiler import units
from stagecut.compiler.cli import common

if TYPE_CHECKING:
    from stagecut.compiler.backend import Tensor
    from stagecut.compiler.manifest import PlannedStage
    from stagecut.runtime.session import Session
    from stagecut.runtime.trace import Trace


def run(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan file.")],
    feed: common.FeedOption = None,
    random: Annotated[
        int | None, typer.Option(metavar="SEED", help="Random values for inputs not given.")
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
    from stagecut.compiler.archive import replacing
    from stagecut.runtime.chrome import to_chrome
    from stagecut.runtime.random_feeds import random_feeds
    from stagecut.runtime.session import Session

    session = Session(plan, fallback=fallback)
    if session.stages is not session.manifest.stages:
        typer.echo("a device is missing: running the plan's fallback", err=True)
    feeds = common.read_feeds(feed)
    if random is not None:
        feeds = {**random_feeds(session.manifest.inputs, random), **feeds}
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
    document = _document(session, named, files, traces)
    if json:
        common.print_json(document)
    else:
        _show(named, files, session, traces)


def _prediction_s(stage: "PlannedStage") -> float:
    """As it was measured when the plan was made; else the sum of its nodes."""
    return stage.predicted_s if stage.as_built_s is None else stage.as_built_s


def _write_outputs(folder: Path, outputs: "Mapping[str, Tensor]") -> dict[str, str]:
    """Write `NAME.npy` for each output; characters that suit no file name become `_`."""
    import numpy as np

    from stagecut.compiler.archive import replacing, writing

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


def _document(
    session: "Session",
    outputs: "Mapping[str, Tensor]",
    files: Mapping[str, str],
    traces: "Sequence[Trace]",
) -> dict[str, object]:
    latencies_s = [trace.latency_s for trace in traces]
    return {
        "outputs": {
            name: {
                "dtype": port.dtype,
                "shape": list(outputs[name].shape),
                "file": files.get(name),
            }
            for name, port in ((port.name, port) for port in session.manifest.outputs)
        },
        "latency_s": {
            "median": statistics.median(latencies_s),
            "min": min(latencies_s),
            "max": max(latencies_s),
            "runs": len(latencies_s),
        },
        "basis": traces[-1].basis,
        "predicted_s": session.manifest.predicted_s,
        "as_built_s": session.manifest.as_built_s,
        "fallback": session.stages is not session.manifest.stages,
        "stages": [
            {
                "index": stage.index,
                "device": stage.device,
                "predicted_s": stage.predicted_s,
                "as_built_s": stage.as_built_s,
                f"{stage.basis}_s": statistics.median(t.stage_s()[stage.index] for t in traces),
            }
            for stage in session.stages
        ],
    }


def _show(
    outputs: "Mapping[str, Tensor]",
    files: Mapping[str, str],
    session: "Session",
    traces: "Sequence[Trace]",
) -> None:
    for name, array in outputs.items():
        shape = "x".join(map(str, array.shape)) or "scalar"
        written = f" -> {files[name]}" if name in files else ""
        typer.echo(f"output {name}: {array.dtype} {shape}{written}")
    median_s = statistics.median(trace.latency_s for trace in traces)
    runs = f"median of {len(traces)} runs" if len(traces) > 1 else "one run"
    typer.echo(f"latency {units.seconds(median_s)} ({traces[-1].basis}, {runs})")
    for stage in session.stages:
        took_s = statistics.median(trace.stage_s()[stage.index] for trace in traces)
        typer.echo(
            f"  stage {stage.index} on {stage.device}: {units.seconds(took_s)} {stage.basis}, "
            f"predicted {units.seconds(_prediction_s(stage))}, {len(stage.nodes)} nodes"
        )

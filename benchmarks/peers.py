"""Claim: a plan is as fast as the best engine that its user might have tried.

    python -m benchmarks.peers [--models minilm,resnet-50] [--seconds 60] [--output out]

Every model runs as a stagecut plan and on its rivals, all taking turns in one process:

    f32     plan, ONNX Runtime (its default threads, and the best number of them), OpenVINO in f32,
            torch eager, torch.compile
    bf16    plan with --precision bf16, OpenVINO as it comes; what is further off than the plan may
            be does not count, and what computes in f32 does

They take turns in an order that changes. A turn begins with a rest, in which threads of others that
spin go to sleep, and some runs that do not count; the rest of its runs follow one another. After a
few turns, those that are far behind the best of their precision leave the time to the others. The
PP-OCR models come with PyPI's rapidocr-onnxruntime (`pip install --no-deps rapidocr-onnxruntime`)
and are left out without it.
Prints medians with their quartiles, the ratio of the plan to its best rival of equal precision (the
median of the ratios within each round, because a clock that changes slows both), and how far off
the plan's own prediction was; writes peers.json and peers.png.
"""

import argparse
import importlib.util
import itertools
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from benchmarks.drawing import bars
from benchmarks.support import describe_machine, keep, pp_ocr_file, with_models
from benchmarks.turns import ForeignLoad
from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.frontends import load_program, zoo
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.passes.gate.accuracy import output_differences, worst
from stagecut.runtime import Session

#: Before each turn; threads of ONNX Runtime and of OpenMP spin for a while after a run.
REST_S = 0.05
#: Runs of a turn: first to warm up, then to count.
WARM_UP, COUNTED = 2, 3
#: Whoever takes so many times what the best takes has no more turns.
FAR_BEHIND = 1.5
BF16_TOLERANCE = 0.05

#: What is run, by name: a model of the zoo.
ZOO = {
    "bert-base-16": "zoo:bert-base:seq=16",
    "bert-base-128": "zoo:bert-base:seq=128",
    "minilm": "zoo:minilm",
    "gpt2-128": "zoo:gpt2:seq=128",
    "vit-base": "zoo:vit-base",
    "resnet-50": "zoo:resnet-50",
}
#: Files of rapidocr-onnxruntime, and the shape of their input.
PP_OCR = {
    "pp-ocr-det": ("ch_PP-OCRv4_det_infer.onnx", (1, 3, 640, 640)),
    "pp-ocr-cls": ("ch_ppocr_mobile_v2.0_cls_infer.onnx", (1, 3, 48, 192)),
}


@dataclass
class Rival:
    """Something that runs the model once. `precision` is what it computes in; `predicted_s` is
    what a plan says of itself; `error` is how far outputs are off, as a part of the largest."""

    name: str
    precision: str
    run: Callable[[], object]
    note: str = ""
    predicted_s: float | None = None
    error: float = 0.0
    times_s: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return statistics.median(self.times_s)

    @property
    def turns_s(self) -> list[float]:
        """The median of each turn."""
        starts = range(0, len(self.times_s), COUNTED)
        return [statistics.median(self.times_s[at : at + COUNTED]) for at in starts]


def main() -> None:
    options = _arguments()
    print(describe_machine())
    rows: list[dict[str, Any]] = []
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            rivals = _rivals(name, Path(folder))
            if not rivals:
                continue
            load = ForeignLoad()
            _take_turns(rivals, options.rounds, options.seconds)
            print(load)
            rows += [row for each in ("f32", "bf16") if (row := _told(name, rivals, each))]
    _summarise(rows)
    document = {"machine": describe_machine(), "rows": rows}
    keep("peers", document, partial(_draw, rows), options.output)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="least turns of each rival")
    parser.add_argument("--seconds", type=float, default=60.0, help="least time for a model")
    return with_models(parser, (*ZOO, *PP_OCR))


def _rivals(name: str, folder: Path) -> list[Rival]:
    source, shapes = _source(name)
    if source is None:
        print(f"{name}: left out, rapidocr-onnxruntime is not installed")
        return []
    program = load_program(source, shapes=shapes)
    path = folder / "model.onnx"
    onnx.save(ir.to_proto(ir.external_data.load_to_model(program.model)), path)
    feeds = {key: np.asarray(value) for key, value in program.feeds.items()}
    return [
        *_plans(source, shapes, feeds),
        *_onnxruntime(path, feeds),
        *_openvino(path, feeds),
        *(_torch(source, program) if name in ZOO else ()),
    ]


def _source(name: str) -> tuple[Any, dict[str, tuple[int, ...]] | None]:
    if name in ZOO:
        return ZOO[name], None
    file, shape = PP_OCR[name]
    path = pp_ocr_file(file)
    return (None, None) if path is None else (str(path), {"x": shape})


def _plans(source: Any, shapes: Any, feeds: dict[str, Any]) -> Iterator[Rival]:
    for precision, tolerance in (("f32", None), ("bf16", BF16_TOLERANCE)):
        if tolerance and "openvino.bf16" not in backends.real_devices(lower_precision="auto"):
            return
        plan = compile_model(source, shapes=shapes, feeds=feeds, tolerance=tolerance)
        session = Session(plan)
        planned = plan.first.planned
        shipped = planned.shipped
        run = partial(session.run, None, feeds)
        error = worst(planned.accuracy)
        yield Rival("stagecut", precision, run, shipped.name, shipped.median_s, error)


def _onnxruntime(path: Path, feeds: dict[str, Any]) -> Iterator[Rival]:
    from stagecut.compiler.onnx_runtime import ort

    def session(threads: int) -> Callable[[], object]:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        made = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda: made.run(None, feeds)

    yield Rival("ONNX Runtime", "f32", session(0), "default threads")
    for threads in range(1, usable_cpus() + 1):
        yield Rival("ONNX Runtime, threads", "f32", session(threads), f"{threads}")


def _openvino(path: Path, feeds: dict[str, Any]) -> Iterator[Rival]:
    if importlib.util.find_spec("openvino") is None:
        return
    import openvino as ov

    from stagecut.compiler.onnx_runtime import ort

    names = [port.name for port in ort.InferenceSession(str(path)).get_outputs()]
    expected = ort.InferenceSession(str(path)).run(None, feeds)
    reference = dict(zip(names, expected, strict=True))
    core = ov.Core()
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for precision, options in (("f32", {"INFERENCE_PRECISION_HINT": "f32"}), ("bf16", {})):
        if precision == "bf16" and not has_bf16:
            return
        compiled = core.compile_model(core.read_model(path), "CPU", options)
        request = compiled.create_infer_request()
        run = partial(request.infer, feeds, share_inputs=True)
        found = dict(zip(names, (np.array(each) for each in run().values()), strict=True))
        error = worst(output_differences(found, reference))
        yield Rival("OpenVINO", precision, run, error=error)


def _torch(source: str, program: Program) -> Iterator[Rival]:
    import torch

    built = zoo.build(source)
    module = built.module.eval()

    def run(function: Callable[..., object]) -> Callable[[], object]:
        def once() -> object:
            with torch.inference_mode():
                inputs = built.example_inputs
                return function(**inputs) if isinstance(inputs, dict) else function(*inputs)

        return once

    yield Rival("torch eager", "f32", run(module))
    compiled = run(torch.compile(module))
    try:
        compiled()
    except Exception as error:  # whatever its compiler lacks on this machine
        print(f"{program.name}: torch.compile is left out: {str(error).splitlines()[0]}")
        return
    yield Rival("torch.compile", "f32", compiled)


def _take_turns(rivals: Sequence[Rival], rounds: int, least_s: float) -> None:
    order = random.Random(0)  # noqa: S311  # nothing secret
    begin_s = time.perf_counter()
    for done in itertools.count():
        if done == rounds:
            rivals = _near(rivals)
        if done >= rounds and time.perf_counter() - begin_s >= least_s:
            return
        for rival in order.sample(rivals, len(rivals)):
            time.sleep(REST_S)
            for _ in range(WARM_UP):
                rival.run()
            for _ in range(COUNTED):
                start_s = time.perf_counter()
                rival.run()
                rival.times_s.append(time.perf_counter() - start_s)


def _near(rivals: Sequence[Rival]) -> Sequence[Rival]:
    """Those that may still be the best of their precision, and every plan."""
    best_s = {
        precision: min(rival.median_s for rival in rivals if rival.precision == precision)
        for precision in {rival.precision for rival in rivals}
    }
    return [
        rival
        for rival in rivals
        if rival.name == "stagecut" or rival.median_s < FAR_BEHIND * best_s[rival.precision]
    ]


def _told(model: str, rivals: Sequence[Rival], precision: str) -> dict[str, Any] | None:
    """Prints a model's rivals of one precision, and returns them as a row; None where this machine
    has no device that computes in it."""
    plan = _plan(rivals, precision)
    if plan is None:
        print(f"{model}, {precision}: left out, no device of this machine computes in {precision}")
        return None
    allowed = BF16_TOLERANCE if precision == "bf16" else math.inf
    here = [rival for rival in rivals if rival.precision in {precision, "f32"}]
    peers = [each for each in here if each.name != "stagecut" and each.error <= allowed]
    best = min(peers, key=lambda rival: rival.median_s)
    ratio = _ratio(plan, best)
    missed = plan.median_s / (plan.predicted_s or math.nan) - 1
    print(
        f"{model}, {precision}: plan / best peer = {ratio:.3f}, off its prediction by {missed:+.1%}"
        f" ({len(plan.times_s)} runs of it)"
    )
    for rival in sorted(here, key=lambda each: each.median_s):
        low_s, _, high_s = statistics.quantiles(rival.times_s, n=4)
        middle = f"{seconds(low_s)} .. {seconds(high_s)}"
        name = f"{rival.name} {rival.precision} {rival.note}".strip()
        off = f"   off by {rival.error:.2%}" if rival.error > 1e-4 else ""
        print(f"  {name:42} {seconds(rival.median_s):>9}   {middle}{off}", flush=True)
    return {
        "model": model,
        "precision": precision,
        "ratio": ratio,
        "missed": missed,
        "runs": len(plan.times_s),
        "best_peer": best.name,
        "plan": plan.note,
        "median_s": {
            f"{each.name} {each.precision} {each.note}".strip(): each.median_s for each in here
        },
    }


def _plan(rivals: Sequence[Rival], precision: str) -> Rival | None:
    named = (rival for rival in rivals if rival.name == "stagecut")
    return next((rival for rival in named if rival.precision == precision), None)


def _ratio(plan: Rival, best: Rival) -> float:
    pairs = zip(plan.turns_s, best.turns_s, strict=False)  # who left early has fewer turns
    return statistics.median(ours_s / theirs_s for ours_s, theirs_s in pairs)


def _summarise(rows: Sequence[dict[str, Any]]) -> None:
    for precision in ("f32", "bf16"):
        here = [row for row in rows if row["precision"] == precision]
        if not here:
            print(f"{precision}: no rows")
            continue
        ratios = [row["ratio"] for row in here]
        print(
            f"{precision}: geometric mean {statistics.geometric_mean(ratios):.3f}, worst "
            f"{max(ratios):.3f}, median error of the prediction "
            f"{statistics.median(abs(row['missed']) for row in here):.1%}"
        )


def _draw(rows: Sequence[dict[str, Any]], output: Path) -> None:
    names = list(dict.fromkeys(row["model"] for row in rows))
    found = {(row["precision"], row["model"]): row["ratio"] for row in rows}
    series = {
        precision: [found.get((precision, name)) for name in names] for precision in ("f32", "bf16")
    }
    across = "time of the plan / of the best peer (lower is better)"
    bars(output, names, series, across, "{:.3f}".format)


if __name__ == "__main__":
    main()

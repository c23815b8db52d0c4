"""Claim: a plan made for streams lets as many inputs through as the best way its user might know.

    python -m benchmarks.throughput [--models minilm-32,resnet-50] [--rounds 5] [--output out]

Each model has an open batch. What takes turns, each for a second and kept full (closed loop):

    stagecut                    compile --objective throughput, Session.stream
    ONNX Runtime                one session on all CPUs; one of one thread with a caller for each
                                CPU, inputs one by one and in batches; a session for each CPU;
                                a process for each CPU, pinned
    OpenVINO                    its throughput hint with AsyncInferQueue; its latency hint
    torch eager, torch.compile  native parallelism: one module on all CPUs
    torch eager, processes      a process for each CPU

A turn counts what is finished between its first and its last output, so that nothing counts for
being filled. Prints inputs per second, medians over the turns with their range; the ratio of the
plan to its best rival (median of the ratios within each round), to one session on all CPUs, and to
native torch, which is the paper's own measure; and how far the plan's prediction of the period was
off. The PP-OCR models come with PyPI's rapidocr-onnxruntime (`pip install --no-deps
rapidocr-onnxruntime`) and are left out without it. Writes throughput.json and throughput.png.
"""

import argparse
import importlib.util
import inspect
import itertools
import json
import multiprocessing
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from benchmarks.drawing import bars
from benchmarks.support import describe_machine, pp_ocr_file
from benchmarks.turns import ForeignLoad
from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.runtime import Session

#: Before each turn; threads of ONNX Runtime and of OpenMP spin for a while after a run.
REST_S = 0.05
#: A turn lasts so long, and until every caller has finished so many calls.
TURN_S, LEAST_CALLS = 1.0, 3
#: Whoever lets less than this part of the best through has no more turns after a few.
FAR_BEHIND = 0.75
BATCHES = (2, 4, 8)

#: What is run: a model of the zoo, whose batch is left open.
ZOO = {
    "minilm-32": "minilm:seq=32",
    "resnet-50": "resnet-50",
    "bert-base-128": "bert-base:seq=128",
    "gpt2-128": "gpt2:seq=128",
}
#: Files of rapidocr-onnxruntime, whose first dimension is open, and the shape of one input.
PP_OCR = {
    "pp-ocr-det": ("ch_PP-OCRv4_det_infer.onnx", (1, 3, 640, 640)),
    "pp-ocr-rec": ("ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 320)),
}
MOBILENET = "mobilenet-v2"
KNOWN = (*ZOO, *PP_OCR, MOBILENET)

#: The times at which outputs were there, and how many inputs each of them stood for.
Finished = list[tuple[float, int]]


@dataclass
class Rival:
    """Keeps itself full for a turn, and tells what it finished and when; `callers` calls at a time
    are in flight."""

    name: str
    turn: Callable[[], Finished]
    callers: int = 1
    period_s: float | None = None
    rates: list[float] = field(default_factory=list)

    def take_turn(self) -> None:
        finished = sorted(self.turn())
        first_s, last_s = finished[self.callers - 1][0], finished[-1][0]
        counted = sum(inputs for _, inputs in finished[self.callers :])
        self.rates.append(counted / (last_s - first_s))

    @property
    def median(self) -> float:
        return statistics.median(self.rates)


@dataclass(frozen=True)
class Model:
    """An ONNX file with an open batch, an input for it, and the torch module where there is one."""

    name: str
    path: Path
    feeds: Mapping[str, np.ndarray]
    module: Callable[[], tuple[Any, tuple[Any, ...]]] | None = None


def main() -> None:
    options = _arguments()
    print(describe_machine())
    rows: list[dict[str, Any]] = []
    for name in options.models.split(","):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            model = _model(name, Path(folder))
            if model is None:
                print(f"{name}: left out, rapidocr-onnxruntime is not installed")
                continue
            rivals = [*_rivals(model, options.effort, stack)]
            load = ForeignLoad()
            _take_turns(rivals, options.rounds)
            print(f"{name}: {load}")
            rows.append(_told(name, rivals))
    _summarise(rows)
    options.output.mkdir(parents=True, exist_ok=True)
    document = {"machine": describe_machine(), "rows": rows}
    (options.output / "throughput.json").write_text(json.dumps(document, indent=1))
    _draw(rows, options.output / "throughput.png")
    print(f"wrote throughput.json and throughput.png into {options.output}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default=",".join(KNOWN))
    parser.add_argument("--rounds", type=int, default=7, help="turns of each rival")
    parser.add_argument("--effort", default="normal", help="of the compile")
    parser.add_argument("--output", type=Path, default=Path("out"), help="folder for the results")
    options = parser.parse_args()
    for name in options.models.split(","):
        if name not in KNOWN:
            parser.error(f"there is no model {name!r}; known: {', '.join(KNOWN)}")
    return options


# ------------------------------------------------------------------------------------------ models


def _model(name: str, folder: Path) -> Model | None:
    path = folder / "model.onnx"
    if name in PP_OCR:
        return _pp_ocr(name)
    build = _mobilenet if name == MOBILENET else partial(_from_zoo, ZOO[name])
    module, inputs = build()
    imported = _exported(module, inputs)
    ir.save(imported.model, path, external_data="model.data")
    names = [str(value.name) for value in imported.model.graph.inputs]
    feeds = {key: each.numpy() for key, each in zip(names, inputs, strict=True)}
    return Model(name, path, feeds, build)


def _pp_ocr(name: str) -> Model | None:
    file, shape = PP_OCR[name]
    path = pp_ocr_file(file)
    if path is None:
        return None
    image = np.random.default_rng(0).random(shape, np.float32)
    return Model(name, path, {"x": image})


def _from_zoo(spec: str) -> tuple[Any, tuple[Any, ...]]:
    built = zoo.build(spec)
    return built.module.eval(), tuple(built.example_inputs.values())


def _mobilenet() -> tuple[Any, tuple[Any, ...]]:
    import torch
    import transformers

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            config = transformers.MobileNetV2Config(image_size=224, num_labels=1000)
            self.model = transformers.MobileNetV2ForImageClassification(config)

        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(pixel_values=pixel_values).logits
            return logits

    return Classifier().eval(), (torch.rand(1, 3, 224, 224),)


def _exported(module: Any, inputs: Sequence[Any]) -> Any:
    """The module with an open batch; two samples, as one would be taken for a constant."""
    import torch

    batch = torch.export.Dim("batch", min=1, max=1024)
    two = tuple(torch.cat([each, each]) for each in inputs)
    names = list(inspect.signature(module.forward).parameters)[: len(inputs)]
    program = torch.export.export(module, two, dynamic_shapes={each: {0: batch} for each in names})
    return import_model(program)[0]


# ------------------------------------------------------------------------------------------ rivals


def _rivals(model: Model, effort: str, stack: ExitStack) -> Iterator[Rival]:
    yield _plan(model, effort, stack)
    yield from _onnxruntime(model, stack)
    yield from _openvino(model)
    if model.module is not None:
        yield from _torch(model.module, stack)


def _plan(model: Model, effort: str, stack: ExitStack) -> Rival:
    shapes = {name: array.shape for name, array in model.feeds.items()}
    settings = Settings(effort=effort)  # type: ignore[arg-type]  # checked by whoever compiles
    plan = compile_model(
        model.path, feeds=model.feeds, shapes=shapes, objective="throughput", settings=settings
    )
    session = stack.enter_context(Session(plan))
    planned = plan.first.planned
    stream = planned.stream
    if stream is None:
        raise AssertionError("it was made to stream")
    in_flight = stream.batch * sum(stream.replicas)

    def turn() -> Finished:
        end_s = time.perf_counter() + TURN_S
        finished: Finished = []
        enough = in_flight * (LEAST_CALLS + 1)
        given = itertools.count()

        def inputs() -> Iterator[Mapping[str, np.ndarray]]:
            while time.perf_counter() < end_s or next(given) < enough:
                yield model.feeds

        for _ in session.stream(inputs(), ordered=False):
            finished.append((time.perf_counter(), 1))
        return finished[: len(finished) - in_flight] if len(finished) > 3 * in_flight else finished

    print(f"{model.name}: the plan is {planned.shipped.name}, {stream.replicas} replicas")
    return Rival(f"stagecut: {planned.shipped.name}", turn, in_flight, stream.period_s)


def _callers(calls: Sequence[Callable[[], object]], inputs: int = 1) -> Callable[[], Finished]:
    """A turn of so many threads, each of which calls without end."""

    def turn() -> Finished:
        finished: list[Finished] = [[] for _ in calls]
        end_s = time.perf_counter() + TURN_S

        def work(number: int) -> None:
            mine = finished[number]
            while time.perf_counter() < end_s or len(mine) < LEAST_CALLS:
                calls[number]()
                mine.append((time.perf_counter(), inputs))

        threads = [threading.Thread(target=work, args=(at,)) for at in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        last_s = min(each[-1][0] for each in finished)  # until then, all were at work
        return [pair for each in finished for pair in each if pair[0] <= last_s]

    return turn


def _batch(feeds: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    return {name: np.concatenate([array] * size) for name, array in feeds.items()}


def _onnxruntime(model: Model, stack: ExitStack) -> Iterator[Rival]:
    cpus = usable_cpus()
    call = partial(_ort_call, model.path)
    whole = call(cpus)
    yield Rival(
        f"ONNX Runtime, 1 session x {cpus} threads", _callers([partial(whole, model.feeds)])
    )
    shared = call(1)
    name = f"ONNX Runtime, 1 session x 1 thread, {cpus} callers"
    yield Rival(name, _callers([partial(shared, model.feeds)] * cpus), cpus)
    for size in BATCHES:
        many = partial(shared, _batch(model.feeds, size))
        yield Rival(f"{name}, batches of {size}", _callers([many] * cpus, size), cpus)
    each = [partial(call(1), model.feeds) for _ in range(cpus)]
    yield Rival(f"ONNX Runtime, {cpus} sessions x 1 thread", _callers(each), cpus)
    turn = _processes(stack, partial(_ort_call, model.path, 1), model.feeds)
    yield Rival(f"ONNX Runtime, {cpus} processes x 1 thread, pinned", turn, cpus)


def _ort_call(path: Path, threads: int) -> Callable[[Mapping[str, np.ndarray]], object]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def _openvino(model: Model) -> Iterator[Rival]:
    if importlib.util.find_spec("openvino") is None:
        return
    import openvino as ov

    core = ov.Core()

    def compiled(hint: str) -> Any:
        read = core.read_model(model.path)
        read.reshape({name: array.shape for name, array in model.feeds.items()})
        options = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32"}
        return core.compile_model(read, "CPU", options)

    request = compiled("LATENCY").create_infer_request()
    once = partial(request.infer, model.feeds, share_inputs=True)
    yield Rival("OpenVINO, latency", _callers([once]))
    queue = ov.AsyncInferQueue(compiled("THROUGHPUT"))

    def turn() -> Finished:
        finished: Finished = []
        queue.set_callback(lambda *_: finished.append((time.perf_counter(), 1)))
        end_s = time.perf_counter() + TURN_S
        while time.perf_counter() < end_s or len(finished) < LEAST_CALLS * len(queue):
            queue.start_async(model.feeds, share_inputs=True)
        full_s = time.perf_counter()
        queue.wait_all()
        return [pair for pair in finished if pair[0] <= full_s]

    yield Rival("OpenVINO, throughput", turn, len(queue))


def _torch(build: Callable[[], tuple[Any, tuple[Any, ...]]], stack: ExitStack) -> Iterator[Rival]:
    import torch

    module, inputs = build()

    def run(function: Callable[..., object]) -> Callable[[], object]:
        def once() -> object:
            with torch.inference_mode():
                return function(*inputs)

        return once

    yield Rival("torch eager", _callers([run(module)]))
    compiled = run(torch.compile(module))
    try:
        compiled()
    except Exception as error:  # whatever its compiler lacks on this machine
        print(f"torch.compile is left out: {str(error).splitlines()[0]}")
    else:
        yield Rival("torch.compile", _callers([compiled]))
    turn = _processes(stack, partial(_torch_call, build), {})
    yield Rival(f"torch eager, {usable_cpus()} processes", turn, usable_cpus())


def _torch_call(build: Callable[[], tuple[Any, tuple[Any, ...]]]) -> Callable[[object], object]:
    import torch

    torch.set_num_threads(1)
    module, inputs = build()

    def call(_: object) -> object:
        with torch.inference_mode():
            return module(*inputs)

    return call


def _processes(
    stack: ExitStack,
    make: Callable[[], Callable[[Any], object]],
    feeds: Mapping[str, np.ndarray],
) -> Callable[[], Finished]:
    """A turn of one process for each CPU, pinned to it; they are there until the stack ends."""
    context = multiprocessing.get_context("spawn")
    ends = []
    for cpu in sorted(os.sched_getaffinity(0))[: usable_cpus()]:
        here, there = context.Pipe()
        process = context.Process(target=_served, args=(there, cpu, make, feeds), daemon=True)
        process.start()
        stack.callback(process.join)
        stack.callback(here.send, None)
        ends.append(here)
    for end in ends:
        end.recv()

    def turn() -> Finished:
        for end in ends:
            end.send(TURN_S)
        finished: list[Finished] = [end.recv() for end in ends]
        first_s = max(each[0][0] for each in finished)
        last_s = min(each[-1][0] for each in finished)
        both = [pair for each in finished for pair in each if first_s <= pair[0] <= last_s]
        return [(first_s, 0)] * len(ends) + [pair for pair in both if pair[0] > first_s]

    return turn


def _served(
    end: Connection,
    cpu: int,
    make: Callable[[], Callable[[Any], object]],
    feeds: Mapping[str, np.ndarray],
) -> None:
    os.sched_setaffinity(0, [cpu])
    call = make()
    call(feeds)
    end.send("ready")
    while (turn_s := end.recv()) is not None:
        finished: Finished = []
        end_s = time.perf_counter() + turn_s
        while time.perf_counter() < end_s or len(finished) < LEAST_CALLS:
            call(feeds)
            finished.append((time.perf_counter(), 1))
        end.send(finished)


# ------------------------------------------------------------------------------------------- turns


def _take_turns(rivals: Sequence[Rival], rounds: int) -> None:
    order = random.Random(0)  # noqa: S311  # nothing secret
    for rival in rivals:  # the first turn is for warming up
        rival.take_turn()
        rival.rates.clear()
    racing = list(rivals)
    for done in range(rounds):
        if done == 2:
            best = max(rival.median for rival in racing)
            kept = ("stagecut", "ONNX Runtime, 1 session x", "torch eager")
            racing = [
                each
                for each in racing
                if each.median >= FAR_BEHIND * best or each.name.startswith(kept)
            ]
        for rival in order.sample(racing, len(racing)):
            time.sleep(REST_S)
            rival.take_turn()


def _told(model: str, rivals: Sequence[Rival]) -> dict[str, Any]:
    plan, *others = rivals
    best = max(others, key=lambda rival: rival.median)
    session = next(each for each in others if each.name.startswith("ONNX Runtime, 1 session"))
    native = next((each for each in others if each.name == "torch eager"), None)
    ratio, over_session = _ratio(plan, best), _ratio(plan, session)
    over_torch = None if native is None else _ratio(plan, native)
    missed = 1 / (plan.median * plan.period_s) - 1 if plan.period_s else None
    print(
        f"{model}: plan / best rival = {ratio:.3f}, / one session = {over_session:.3f}"
        + ("" if over_torch is None else f", / native torch = {over_torch:.2f}")
        + ("" if missed is None else f"; period off its prediction by {missed:+.1%}")
    )
    for rival in sorted(rivals, key=lambda each: -each.median):
        low, high = min(rival.rates), max(rival.rates)
        turns = f"{len(rival.rates)} turns"
        print(f"  {rival.name:58} {rival.median:8.2f}/s   {low:.2f} .. {high:.2f}   {turns}")
    return {
        "model": model,
        "plan": plan.name,
        "ratio": ratio,
        "best_rival": best.name,
        "over_one_session": over_session,
        "over_native_torch": over_torch,
        "period_missed": missed,
        "inputs_per_s": {each.name: each.rates for each in rivals},
    }


def _ratio(plan: Rival, other: Rival) -> float:
    pairs = zip(plan.rates, other.rates, strict=False)  # who left early has fewer turns
    return statistics.median(ours / theirs for ours, theirs in pairs)


def _summarise(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        print("no rows")
        return
    ratios = [row["ratio"] for row in rows]
    print(
        f"plan / best rival: geometric mean {statistics.geometric_mean(ratios):.3f}, "
        f"worst {min(ratios):.3f}"
    )
    missed = [abs(row["period_missed"]) for row in rows if row["period_missed"] is not None]
    if missed:
        print(f"median error of the predicted period {statistics.median(missed):.1%}")


def _draw(rows: Sequence[dict[str, Any]], output: Path) -> None:
    over = {
        "best rival": "ratio",
        "one session, all threads": "over_one_session",
        "native torch": "over_native_torch",
    }
    series = {name: [row[key] for row in rows] for name, key in over.items()}
    across = "inputs/s of the plan over those of the others (higher is better)"
    bars(output, [row["model"] for row in rows], series, across, "{:.2f}".format)


if __name__ == "__main__":
    main()

"""ONNX Runtime and OpenVINO, used by hand as well as their users know how to."""

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.throughput.models import Model
from benchmarks.throughput.pinned import processes
from benchmarks.throughput.rival import Finished, Rival, Span, callers
from stagecut.compiler.measure.cpus import usable_cpus

BATCHES = (2, 4, 8)


def onnxruntime(model: Model, stack: ExitStack) -> Iterator[Rival]:
    cpus = usable_cpus()
    call = partial(_ort_call, model.path)
    whole = call(cpus)
    once, name = partial(whole, model.feeds), f"ONNX Runtime, 1 session x {cpus} threads"
    yield Rival(name, callers([once]))
    yield Rival(f"{name}, {cpus} callers", callers([once] * cpus), cpus)
    shared = call(1)
    name = f"ONNX Runtime, 1 session x 1 thread, {cpus} callers"
    yield Rival(name, callers([partial(shared, model.feeds)] * cpus), cpus)
    for size in BATCHES:
        many = partial(shared, _batch(model.feeds, size))
        yield Rival(f"{name}, batches of {size}", callers([many] * cpus, size), cpus)
    each = [partial(call(1), model.feeds) for _ in range(cpus)]
    yield Rival(f"ONNX Runtime, {cpus} sessions x 1 thread", callers(each), cpus)
    turn = processes(stack, partial(_ort_call, model.path, 1), model.feeds)
    yield Rival(f"ONNX Runtime, {cpus} processes x 1 thread, pinned", turn, cpus)


def _ort_call(path: Path, threads: int) -> Callable[[Mapping[str, np.ndarray]], object]:
    from stagecut.compiler.onnx_runtime import ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def _batch(feeds: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    return {name: np.concatenate([array] * size) for name, array in feeds.items()}


def openvino(model: Model) -> Iterator[Rival]:
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
    yield Rival("OpenVINO, latency", callers([once]))
    queue = ov.AsyncInferQueue(compiled("THROUGHPUT"))

    def turn(span: Span) -> Finished:
        finished: Finished = []
        queue.set_callback(lambda *_: finished.append((time.perf_counter(), 1)))
        end_s = time.perf_counter() + span.seconds
        while time.perf_counter() < end_s or len(finished) < span.calls * len(queue):
            queue.start_async(model.feeds, share_inputs=True)
        full_s = time.perf_counter()
        queue.wait_all()
        return [pair for pair in finished if pair[0] <= full_s]

    yield Rival("OpenVINO, throughput", turn, len(queue))

"""Engines used by hand, as their own tools use them: what a plan is measured beside.

    ONNX Runtime                    a session as it comes: all CPUs work on each input
    ONNX Runtime, 1 thread x N      one session of one thread, called by N threads: weights once
    OpenVINO latency                its latency mode, one request at a time
    OpenVINO throughput             its throughput mode, an AsyncInferQueue

OpenVINO computes in the precision that it chooses itself; where that is not float32, it is measured
in float32, too.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Feeds

#: Runs one input, and waits for its outputs.
One: TypeAlias = Callable[[], object]
#: Runs inputs for so many seconds, as many at once as it takes; how many there were, in which time.
Many: TypeAlias = Callable[[float], tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Rival:
    """Whatever `make` raises is why it cannot run the model."""

    name: str
    make: Callable[[], tuple[One, Many]]


#: The engines that can be asked for by name.
ENGINES = ("onnxruntime", "openvino")


def rivals(
    model: Path, feeds: "Feeds", cpus: int, engines: Collection[str] = ENGINES
) -> Iterator[Rival]:
    """Those of `engines` whose packages are installed, for the ONNX file `model`."""
    if "onnxruntime" in engines:
        yield from _onnxruntime(model, feeds, cpus)
    if "openvino" in engines:
        yield from _openvino(model, feeds)


def callers(one: One, count: int) -> Many:
    """As many threads, each with its next input as soon as its last one is done."""

    def many(seconds: float) -> tuple[int, float]:
        totals = [0] * count
        errors: list[Exception] = []
        start_s = time.perf_counter()

        def call(index: int) -> None:
            try:
                while time.perf_counter() < start_s + seconds:
                    one()
                    totals[index] += 1
            except Exception as error:  # engines raise what they like
                errors.append(error)

        threads = [threading.Thread(target=call, args=(at,), daemon=True) for at in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return sum(totals), time.perf_counter() - start_s

    return many


def _onnxruntime(model: Path, feeds: "Feeds", cpus: int) -> Iterator[Rival]:
    def make(threads: int, count: int) -> tuple[One, Many]:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads  # 0: as many as it likes
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        def one() -> object:
            return session.run(None, feeds)

        return one, callers(one, count)

    yield Rival("ONNX Runtime", partial(make, 0, 1))
    yield Rival(f"ONNX Runtime, 1 thread x {cpus}", partial(make, 1, cpus))


def _openvino(model: Path, feeds: "Feeds") -> Iterator[Rival]:
    try:
        import openvino as ov

        core = ov.Core()
        own = core.get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name()
    except Exception:  # it is not installed, or broken, as `stagecut devices` says
        return

    def make(hint: str, precision: str) -> tuple[One, Many]:
        options = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": precision}
        compiled = core.compile_model(model, "CPU", options)
        request = compiled.create_infer_request()
        return lambda: request.infer(feeds), _queued(ov.AsyncInferQueue(compiled), feeds)

    for precision in dict.fromkeys((own, "f32")):
        for mode in ("latency", "throughput"):
            name = f"OpenVINO {mode}, {precision}"
            yield Rival(name, partial(make, mode.upper(), precision))


def _queued(queue: Any, feeds: "Feeds") -> Many:
    def many(seconds: float) -> tuple[int, float]:
        count = 0
        start_s = time.perf_counter()
        while time.perf_counter() < start_s + seconds:
            queue.start_async(feeds)  # waits while all its requests are busy
            count += 1
        queue.wait_all()
        return count, time.perf_counter() - start_s

    return many

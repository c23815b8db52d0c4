"""A plan, and engines used by hand, as their own tools use them: who takes part in a bench.

    the plan                        a session: called by one thread, or by N; and its stream
    ONNX Runtime                    a session as it comes: all CPUs work on each input
    ONNX Runtime, 1 thread x N      one session of one thread, called by N threads: weights once
    OpenVINO latency                its latency mode, one request at a time
    OpenVINO throughput             its throughput mode, an AsyncInferQueue
    torch eager, torch.compile      the PyTorch program that the plan was made from, on all CPUs

OpenVINO computes in the precision that it chooses itself; where that is not float32, it is measured
in float32, too. Each is made in a process of its own.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from stagecut.compiler.ir.device import Feeds, Tensor

#: Runs one input, and waits for its outputs.
One: TypeAlias = Callable[[], object]
#: Runs inputs for so many seconds, one at least, as many at once as it takes; how many there were,
#: in which time.
Many: TypeAlias = Callable[[float], tuple[int, float]]
#: The ways of running many inputs that somebody offers, by what they are called.
Ways: TypeAlias = Mapping[str, Many]

#: The engines that can be asked for by name, and those that are measured where none is.
ENGINES, USUAL = ("onnxruntime", "openvino", "torch"), ("onnxruntime", "openvino")

PLAN = "the plan"


class Rival(Protocol):
    """Data, as it is sent to a process. Whatever `make` raises is why it cannot run the model."""

    @property
    def name(self) -> str: ...

    def make(self) -> tuple[One, Ways]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What all run: the plan's program as an ONNX file, with what it has to be fed, and, where
    torch takes part, the name of its PyTorch program with its inputs in order."""

    model: Path
    feeds: "Feeds"
    program: str = ""
    inputs: "Sequence[Tensor]" = ()


def rivals(asked: Asked, cpus: int, engines: Collection[str] = USUAL) -> Iterator[Rival]:
    """Those of `engines` whose packages are installed."""
    if "onnxruntime" in engines:
        yield OnnxRuntime("ONNX Runtime", asked.model, asked.feeds, threads=0, callers=1)
        name = f"ONNX Runtime, 1 thread x {cpus}"
        yield OnnxRuntime(name, asked.model, asked.feeds, threads=1, callers=cpus)
    if "openvino" in engines:
        for precision in _precisions():
            for mode in ("latency", "throughput"):
                name = f"OpenVINO {mode}, {precision}"
                yield OpenVino(name, asked.model, asked.feeds, mode.upper(), precision)
    if "torch" in engines:
        yield Torch("torch eager", asked.program, asked.inputs, compiled=False)
        yield Torch("torch.compile", asked.program, asked.inputs, compiled=True)


@dataclass(frozen=True, slots=True)
class OfPlan:
    """The variant of `entry` is that of the shapes of `feeds`; `notes` are of devices that ended a
    process."""

    path: Path
    feeds: "Feeds"
    fallback: bool
    entry: str
    notes: Path | None = None
    name: str = PLAN

    def make(self) -> tuple[One, Ways]:
        from stagecut.compiler.cli.options import listener
        from stagecut.compiler.measure.cpus import usable_cpus
        from stagecut.runtime.session import Session

        session = Session(
            self.path,
            fallback=self.fallback,
            entry=self.entry,
            listener=listener(self.notes, 0.0),
        )

        def one() -> object:
            return session.run(None, self.feeds)

        def streamed(seconds: float) -> tuple[int, float]:
            start_s = time.perf_counter()
            count = sum(1 for _ in session.stream(self._until(start_s + seconds)))
            return count, time.perf_counter() - start_s

        return one, {**called_by(one, 1), **called_by(one, usable_cpus()), "stream": streamed}

    def _until(self, end_s: float) -> "Iterator[Feeds]":
        yield self.feeds
        while time.perf_counter() < end_s:
            yield self.feeds


@dataclass(frozen=True, slots=True)
class OnnxRuntime:
    """With 0 `threads`, as many as it likes."""

    name: str
    model: Path
    feeds: "Feeds"
    threads: int
    callers: int

    def make(self) -> tuple[One, Ways]:
        from stagecut.compiler.onnx_runtime import ort

        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = self.threads
        session = ort.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])

        def one() -> object:
            return session.run(None, self.feeds)

        return one, called_by(one, self.callers)


@dataclass(frozen=True, slots=True)
class OpenVino:
    name: str
    model: Path
    feeds: "Feeds"
    hint: str
    precision: str

    def make(self) -> tuple[One, Ways]:
        import openvino as ov

        options = {"PERFORMANCE_HINT": self.hint, "INFERENCE_PRECISION_HINT": self.precision}
        compiled = ov.Core().compile_model(self.model, "CPU", options)
        request = compiled.create_infer_request()
        queued = self._queued(ov.AsyncInferQueue(compiled))
        return lambda: request.infer(self.feeds), {"AsyncInferQueue": queued}

    def _queued(self, queue: Any) -> Many:
        def many(seconds: float) -> tuple[int, float]:
            count = 0
            start_s = time.perf_counter()
            while not count or time.perf_counter() < start_s + seconds:
                queue.start_async(self.feeds)  # waits while all its requests are busy
                count += 1
            queue.wait_all()
            return count, time.perf_counter() - start_s

        return many


@dataclass(frozen=True, slots=True)
class Torch:
    name: str
    program: str
    inputs: "Sequence[Tensor]"
    compiled: bool

    def make(self) -> tuple[One, Ways]:
        from stagecut.compiler.frontends.torch_module import torch_call

        program, args, kwargs = torch_call(self.program, self.inputs)
        import torch

        function = torch.compile(program) if self.compiled else program

        def one() -> object:
            with torch.inference_mode():
                return function(*args, **kwargs)

        return one, called_by(one, 1)


def _precisions() -> Iterator[str]:
    """None where OpenVINO is not installed, or broken, as `stagecut devices` says."""
    try:
        import openvino as ov

        own = ov.Core().get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name()
    except Exception:  # whatever it raises
        return
    yield from dict.fromkeys((own, "f32"))


def called_by(one: One, count: int) -> Ways:
    """The way of `called`, with its name."""
    return {"run" if count == 1 else f"run in {count} threads": called(one, count)}


def called(one: One, count: int) -> Many:
    """As many threads, each with its next input as soon as its last one is done."""

    def many(seconds: float) -> tuple[int, float]:
        totals = [0] * count
        errors: list[Exception] = []
        start_s = time.perf_counter()

        def call(index: int) -> None:
            try:
                while not totals[index] or time.perf_counter() < start_s + seconds:
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

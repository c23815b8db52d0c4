"""ONNX Runtime sessions for stages, and what ONNX Runtime's CPU provider can run.

The only module that imports onnxruntime for running plans; it is loaded when first needed.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue

import onnx
import onnx_ir as ir

from stagecut.backends.huge_pages import on_huge_pages, weight_bytes
from stagecut.backends.quantised.held import Held
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.onnx_runtime import ort

_PROVIDER = "CPUExecutionProvider"

#: A product with a bias would become a Gemm, of which ONNX Runtime makes no product of integers.
_KEPT_APART = ("MatMulAddFusion",)

#: A sum and the LayerNormalization of it: one kernel for both takes four times as long as two do.
_SLOWER = ("SkipLayerNormFusion",)


@dataclass(frozen=True, slots=True)
class Threads:
    """How many, the caller's included; whether they spin while they wait for each other in a run;
    whether each stays on a CPU of its own, but for the caller's."""

    count: int
    spin: bool = False
    pin: bool = False

    def configure(self, options: ort.SessionOptions) -> None:
        options.intra_op_num_threads = self.count
        options.inter_op_num_threads = 1
        # Threads that spin between stages take the CPU away from the next stage's session.
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(self.spin)))
        if self.spin:
            options.add_session_config_entry("session.force_spinning_stop", "1")
        cpus = sorted(os.sched_getaffinity(0))
        if self.pin and 1 < self.count <= len(cpus):
            others = ";".join(str(cpu + 1) for cpu in cpus[1 : self.count])  # counted from 1
            options.add_session_config_entry("session.intra_op_thread_affinities", others)


class OrtExecutable:
    """One session, called by `run`: about 3 µs more than a call with bound inputs, but thread-safe,
    without copies, and for values whose size is known only at run time, too."""

    def __init__(self, session: ort.InferenceSession, stage: StageProgram, weights: object) -> None:
        # its `run` checks what it is fed in Python, which takes 2 µs, and calls that of `_sess`
        self._run = getattr(session, "_sess", session).run
        self._weights = weights  # which the session reads where they are
        self._inputs = [*enumerate(value.name for value in stage.inputs)]
        self._count = len(self._inputs)
        self._outputs = [value.name for value in stage.outputs]

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        if len(inputs) != self._count:
            raise ValueError(f"{len(inputs)} inputs for {self._count}")
        feeds: dict[str, Tensor] = {}  # by a loop, which for a few is quicker than dict and zip
        for at, name in self._inputs:
            feeds[name] = inputs[at]
        outputs: Sequence[Tensor] = self._run(self._outputs, feeds, None)
        return outputs


class Sessions:
    """One for each of several callers at once; others wait. While all call again and again, each
    has the one back that it has just had."""

    def __init__(self, sessions: Sequence[OrtExecutable]) -> None:
        self._idle: SimpleQueue[OrtExecutable] = SimpleQueue()
        for each in sessions:
            self._idle.put(each)

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        session = self._idle.get()
        try:
            return session(inputs)
        finally:
            self._idle.put(session)


def prepare(
    stage: StageProgram,
    threads: Threads,
    scheme: Scheme | None = None,
    held: Held | None = None,
) -> OrtExecutable:
    """A session with these threads; large weights are read where they are mapped, and those of
    products are quantised first where there is a `scheme`, and `held` from then on.

    Where ONNX Runtime's own optimisations spoil the stage, it is prepared without them.
    """
    products: object = None
    if scheme is not None:
        from stagecut.backends.cpu.join import join_products
        from stagecut.backends.quantised.quantise import quantised

        stage, matrices = quantised(stage, scheme)
        if matrices:
            join_products(stage.model.graph)
        products = matrices
        if held is not None:
            held.keep(matrices)
    kept_apart = () if scheme is None or not scheme.calibrated else _KEPT_APART
    exact = scheme is not None and scheme.block is None and not scheme.narrow
    files = _weight_files(stage.model)
    model = ir.serde.serialize_model(stage.model).SerializeToString()
    with on_huge_pages(weight_bytes(stage.model)):
        session = _any_session(stage.name, model, threads, files, exact=exact, without=kept_apart)
    return OrtExecutable(session, stage, (files, products))


def _any_session(
    name: str,
    model: bytes,
    threads: Threads,
    files: Mapping[str, memoryview],
    *,
    exact: bool,
    without: Sequence[str],
) -> ort.InferenceSession:
    """As `_session`, without optimisations where these spoil the stage."""
    try:
        return _session(model, threads, files, exact=exact, without=without)
    except Exception as error:  # onnxruntime's own exceptions share no base class
        try:
            plain = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            return _session(model, threads, files, plain, exact=exact, without=without)
        except Exception:
            raise EngineError(
                f"ONNX Runtime refuses it: {_first_line(error)}",
                where=f"stage {name}",
                fix="check that the whole model runs in onnxruntime.InferenceSession",
            ) from error


def _session(
    model: bytes,
    threads: Threads,
    files: Mapping[str, memoryview],
    level: ort.GraphOptimizationLevel = ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    *,
    exact: bool = False,
    without: Sequence[str] = (),
) -> ort.InferenceSession:
    """`exact` sums of products of uint8 and int8 never exceed their 16 bits, where a CPU has no
    more; `without` are optimisations by name, beside those that only make it slower."""
    options = _options(threads, files)
    options.graph_optimization_level = level
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(
        model, options, providers=[_PROVIDER], disabled_optimizers=[*_SLOWER, *without]
    )


def _options(threads: Threads, files: Mapping[str, memoryview]) -> ort.SessionOptions:
    """`files` are the mapped contents of the data files that the model names."""
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what is wrong is said by the errors that it raises
    threads.configure(options)
    if files:
        options.add_session_config_entry(
            "session.use_external_initializer_file_buffers_directly", "1"
        )
        options.add_external_initializers_from_files_in_memory(
            [*files], [*files.values()], [*map(len, files.values())]
        )
    return options


def _weight_files(model: ir.Model) -> Mapping[str, memoryview]:
    tensors = (value.const_value for value in model.graph.initializers.values())
    mapped = (tensor for tensor in tensors if isinstance(tensor, MappedTensor))
    return {os.fspath(tensor.location): tensor.region for tensor in mapped}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def has_kernel(domain: str, op: str, version: int) -> bool:
    """Whether the CPU provider can run an operator: by a kernel, or by its function body."""
    first = _first_versions().get((domain, op))
    if first is not None and first <= version:
        return True
    if not onnx.defs.has(op, domain=domain):
        return False
    schema = onnx.defs.get_schema(op, version, domain)
    return bool(
        op == "Constant"  # folded away before any kernel is looked for
        or schema.has_function  # type: ignore[attr-defined]  # missing from onnx's stubs
        or schema.has_context_dependent_function  # type: ignore[attr-defined]
    )


@cache
def _first_versions() -> dict[tuple[str, str], int]:
    """The earliest operator version that has a kernel, by domain and operator."""
    first: dict[tuple[str, str], int] = {}
    for kernel in ort.capi.onnxruntime_pybind11_state.get_all_opkernel_def():
        if kernel.provider == _PROVIDER:
            key = (kernel.domain, kernel.op_name)
            first[key] = min(kernel.version_range[0], first.get(key, kernel.version_range[0]))
    return first

"""Stages compiled for OpenVINO's CPU plugin.

This and what it imports from beside it import openvino, and are loaded when first needed.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import onnx_ir as ir
import openvino as ov

from stagecut.backends.huge_pages import on_huge_pages, weight_bytes
from stagecut.backends.openvino.executable import OpenvinoExecutable, fits
from stagecut.backends.openvino.library import core, last_line, misshapen
from stagecut.backends.openvino.open_sizes import check_open_sizes
from stagecut.backends.openvino.shapes import SHAPES_KEPT
from stagecut.backends.openvino.shared_weights import beside_model, put_in, without_weights
from stagecut.backends.quantised.held import Held
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.ir.device import StageProgram, as_array
from stagecut.compiler.ir.errors import EngineError

if TYPE_CHECKING:
    from stagecut.backends.openvino.compressed import Compressed

#: So many activations share a scale where products have weights in few bits.
_GROUP = 32

_CHECKED = frozenset({ir.DataType.INT32, ir.DataType.INT64})


def prepare(
    stage: StageProgram,
    threads: int,
    precision: str,
    *,
    pin: bool,
    streams: int = 1,
    scheme: Scheme | None = None,
    held: Held | None = None,
) -> OpenvinoExecutable:
    """Compile `stage`; its large weights stay where they are, mapped from their file.

    `streams` callers are served at once, each on `threads` threads. With a `scheme`, the weights of
    products are held in few bits, and `held` from then on.

    Sizes that are not known stay open; where OpenVINO cannot do with that, they are those of the
    sample run, and the stage takes no others.
    """
    texts = [value.name for value in stage.inputs if value.dtype == "string"]
    if texts:
        raise EngineError(
            f"OpenVINO takes no strings, and {texts[0]} holds some", where=f"stage {stage.name}"
        )
    few: Mapping[str, Compressed] = {}
    products: object = None
    if scheme is not None and scheme.calibrated:
        stage, products = _in_integers(stage, scheme, held)
    elif scheme is not None:
        few = _compressed(stage, scheme, held)
    weights = beside_model(stage.model, few)
    _check_integers(stage)
    check_open_sizes(stage)
    grouped = None if scheme is None or scheme.calibrated else scheme.activations
    exact = precision == "f32" and grouped != "int8"
    options: dict[str, object] = {
        "PERFORMANCE_HINT": "LATENCY",
        "EXECUTION_MODE_HINT": "ACCURACY" if exact else "PERFORMANCE",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads * streams,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": pin,
        "CPU_RUNTIME_CACHE_CAPACITY": SHAPES_KEPT * len(stage.model.graph),
    }
    if grouped is not None:
        options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _GROUP if grouped == "int8" else 0
    try:
        with _affinity_restored(), on_huge_pages(weight_bytes(stage.model)):
            try:
                found = _compiled(stage, weights, few, options, {})
            except Exception:
                sizes = {value.name: value.shape for value in stage.inputs}
                found = _compiled(stage, weights, few, options, sizes)
    except EngineError:
        raise
    except Exception as error:  # openvino's own exceptions share no base class
        raise EngineError(
            f"OpenVINO refuses it: {last_line(error)}",
            where=f"stage {stage.name}",
            fix="leave the device out, or forbid the stage's nodes on it",
        ) from error
    model, compiled, kept = found
    return OpenvinoExecutable(model, compiled, stage, (kept, products), streams)


def _in_integers(
    stage: StageProgram, scheme: Scheme, held: Held | None
) -> tuple[StageProgram, object]:
    """With products between QuantizeLinear and DequantizeLinear, of which OpenVINO makes some of
    integers; and what has to be kept while the stage is in use."""
    from stagecut.backends.quantised.quantise import quantised  # which brings ONNX Runtime

    stage, matrices = quantised(stage, scheme)
    if held is not None:
        held.keep(matrices)
    return stage, matrices


def _compressed(
    stage: StageProgram, scheme: Scheme, held: Held | None
) -> "Mapping[str, Compressed]":
    from stagecut.backends.openvino.compressed import compressed  # which brings ONNX Runtime

    return compressed(stage, scheme, held)


def _compiled(
    stage: StageProgram,
    weights: Mapping[str, ir.TensorProtocol],
    few: "Mapping[str, Compressed]",
    options: dict[str, object],
    sizes: Mapping[str, tuple[int, ...]],
) -> tuple[ov.Model, ov.CompiledModel, object]:
    """With what has to be kept while they are in use."""
    model = core().read_model(without_weights(stage, weights, sizes))
    kept = put_in(model, weights, few)
    _check_shapes(model, stage)
    return model, core().compile_model(model, "CPU", options), kept


def _check_integers(stage: StageProgram) -> None:
    """Raises EngineError for a weight with integers of more than 24 bits, but for the ends of a
    Slice: exporters write the largest integer for an open end, and OpenVINO knows that."""
    for name, value in stage.model.graph.initializers.items():
        if value.dtype not in _CHECKED or value.const_value is None:
            continue
        sliced = all(usage.node.op_type == "Slice" and usage.idx for usage in value.uses())
        if not sliced and not fits(as_array(value.const_value)):
            raise EngineError(
                f"{name} holds integers of more than 24 bits, which OpenVINO may round",
                where=f"stage {stage.name}",
                fix="forbid the stage's nodes on the device",
            )


def _check_shapes(model: ov.Model, stage: StageProgram) -> None:
    """Raises EngineError where OpenVINO infers another shape for an output than the plan has."""
    if any(port.get_partial_shape().is_dynamic for port in model.inputs):
        return
    for output, value in zip(model.outputs, stage.outputs, strict=True):
        reason = misshapen(output, value.name, value.shape)
        if reason:
            raise EngineError(
                reason,
                where=f"stage {stage.name}",
                fix="leave the device out, or forbid the stage's nodes on it",
            )


@contextmanager
def _affinity_restored() -> Iterator[None]:
    """Restore the CPUs of the calling thread, which OpenVINO may change while it compiles."""
    allowed = os.sched_getaffinity(0)
    try:
        yield
    finally:
        if os.sched_getaffinity(0) != allowed:
            os.sched_setaffinity(0, allowed)

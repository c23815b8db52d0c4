"""OpenVINO itself: what it can run, and stages compiled for its CPU plugin.

The only module that imports openvino; it is loaded when first needed.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx_ir as ir
import openvino as ov
from onnx import helper
from openvino import opset13

from stagecut.backends.openvino.open_sizes import check_open_sizes
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.ir.device import StageProgram, Tensor, as_array
from stagecut.compiler.ir.errors import EngineError, ValueRangeError

if TYPE_CHECKING:
    from stagecut.backends.openvino.compressed import Compressed

#: Copying this much takes about 2 us, giving OpenVINO another address for a tensor 6 us.
_SMALL_BYTES = 1 << 17
#: So many shapes find what OpenVINO built for them: it keeps that for 5000 operators by itself, at
#: about 0.1 MB each.
_SHAPES_KEPT = 8
#: So many activations share a scale where products have weights in few bits.
_GROUP = 32
#: What float32 holds exactly: some kernels compute on integers in it.
_MOST = 2**24
_CHECKED = frozenset({ir.DataType.INT32, ir.DataType.INT64})


@cache
def _core() -> ov.Core:
    """Finding the plugins takes a while, and one object serves all stages."""
    return ov.Core()


def capabilities() -> tuple[str, ...]:
    """What the CPU computes in, by OpenVINO's names: FP32, BF16, ..."""
    return tuple(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def refusal(model: bytes) -> str:
    """Why an ONNX model cannot be run as a whole; empty where it can.

    The shapes that it declares for its outputs have to be OpenVINO's.
    """
    try:
        read = _core().read_model(model)
        able = _core().query_model(read, "CPU")
    except Exception as error:  # openvino's own exceptions share no base class
        return f"OpenVINO cannot read it: {_last_line(error)}"
    if any(output.get_partial_shape().is_dynamic for output in read.outputs):
        return "OpenVINO does not know the size of its result beforehand"
    missing = [op.get_type_name() for op in read.get_ops() if op.get_friendly_name() not in able]
    if missing:
        return f"OpenVINO's CPU plugin has no {missing[0]}"
    return _misreading(read, onnx.load_from_string(model).graph)


def _misreading(read: ov.Model, graph: onnx.GraphProto) -> str:
    names = {port.name for port in graph.input}
    if not all(port.get_names() & names for port in read.inputs):
        return "OpenVINO forgets the name of its operand"
    for output, port in zip(read.outputs, graph.output, strict=True):
        declared = port.type.tensor_type
        sizes = [dim.dim_value for dim in declared.shape.dim]
        reason = _misshapen(output, "its result", sizes) if declared.HasField("shape") else ""
        if reason:
            return reason
    return ""


def _misshapen(output: ov.Output, name: str, shape: Sequence[int]) -> str:
    """What is wrong where OpenVINO gives an output another shape; empty where it does not."""
    inferred = output.get_partial_shape()
    if inferred.is_dynamic or list(inferred.to_shape()) != list(shape):
        return f"OpenVINO makes {name} {inferred}, not {list(shape)}"
    return ""


class OpenvinoExecutable:
    """A compiled stage with a request for each thread, of which `streams` are served at once.

    Raises ValueRangeError for integers of more than 24 bits, and for empty inputs.
    """

    def __init__(
        self,
        model: ov.Model,
        compiled: ov.CompiledModel,
        stage: StageProgram,
        kept: object,
        streams: int,
    ) -> None:
        self._compiled = compiled
        names = [value.name for value in stage.inputs]
        self._shapes = _Shapes(model, names) if model.is_dynamic() else None
        self._stage = stage
        self._kept = kept  # the weights' memory, which OpenVINO does not own
        self._local = threading.local()
        # waiting here beats waiting in OpenVINO's queue
        self._turn: AbstractContextManager[bool] = (
            threading.Lock() if streams == 1 else threading.BoundedSemaphore(streams)
        )

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        for array in inputs:
            if not array.size:
                raise ValueRangeError(
                    "an input is empty, which OpenVINO does not take in all operators",
                    fix="forbid the nodes that read it on OpenVINO's devices",
                )
            if array.dtype.kind == "i" and not _fits(array):
                raise ValueRangeError(
                    "an input holds integers of more than 24 bits, which OpenVINO may round",
                    fix="forbid the nodes that read it on OpenVINO's devices",
                )
        if self._shapes is not None:
            self._shapes.check(tuple(array.shape for array in inputs))
        return self._request().run(inputs, self._turn)

    def _request(self) -> "_Request":
        if not hasattr(self._local, "request"):
            self._local.request = _Request(self._compiled, self._stage)
        request: _Request = self._local.request
        return request


class _Shapes:
    """The shapes that a stage with open dimensions has been found to run at.

    OpenVINO looks at them again when it runs such a stage, but not at all of them: a product of
    matrices that do not fit reads beyond their ends.
    """

    def __init__(self, model: ov.Model, names: Sequence[str]) -> None:
        """`names` are those of the inputs, in the order in which their shapes come."""
        self._model = model
        self._places = [names.index(_name(port, names)) for port in model.inputs]
        self._known: OrderedDict[tuple[tuple[int, ...], ...], None] = OrderedDict()

    def check(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        """Raises EngineError where the stage cannot have inputs of these shapes."""
        if shapes in self._known:
            return
        model = self._model.clone()
        placed = zip(model.inputs, self._places, strict=True)
        try:
            model.reshape({port: ov.PartialShape([*shapes[at]]) for port, at in placed})
        except Exception as error:  # openvino's own exceptions share no base class
            raise EngineError(f"OpenVINO cannot run it: {_last_line(error)}") from error
        self._known[shapes] = None
        if len(self._known) > _SHAPES_KEPT:
            self._known.popitem(last=False)


class _Request:
    """OpenVINO's inference request. It reads large inputs in place and writes large results into
    arrays that become the caller's.

    Small ones are copied, as giving OpenVINO another address takes longer. So are results whose
    sizes are known only after a run.
    """

    def __init__(self, compiled: ov.CompiledModel, stage: StageProgram) -> None:
        request = compiled.create_infer_request()
        names = [value.name for value in stage.inputs]
        self._request = request
        self._reads = [
            (
                names.index(_name(port, names)),
                at,
                request.get_input_tensor(at).data if _is_small(port) else None,
            )
            for at, port in enumerate(compiled.inputs)
        ]
        self._large = [
            (at, tuple(port.get_shape()), np.dtype(value.dtype))
            for at, (port, value) in enumerate(zip(compiled.outputs, stage.outputs, strict=True))
            if port.get_partial_shape().is_static and not _is_small(port)
        ]
        self._count = len(stage.outputs)

    def run(self, inputs: Sequence[Tensor], turn: AbstractContextManager[bool]) -> list[Tensor]:
        request = self._request
        for source, at, own in self._reads:
            if own is None or own.shape != inputs[source].shape:  # OpenVINO tells what does not fit
                request.set_input_tensor(at, _shared(inputs[source]))
            else:
                np.copyto(own, inputs[source])
        large = {at: np.empty(shape, dtype) for at, shape, dtype in self._large}
        for at, array in large.items():
            request.set_output_tensor(at, ov.Tensor(array, shared_memory=True))
        try:
            with turn:
                request.infer(share_outputs=True)  # or else it copies every result
        except Exception as error:  # openvino's own exceptions share no base class
            raise EngineError(f"OpenVINO cannot run it: {_last_line(error)}") from error
        results = [
            large[at] if at in large else np.array(request.get_output_tensor(at).data)
            for at in range(self._count)
        ]
        if not all(array.size for array in results):  # seen where sizes are open, and wrong
            raise ValueRangeError(
                "a result is empty, as OpenVINO's may be where they should not",
                fix="forbid the nodes of the stage on OpenVINO's devices",
            )
        return results


def prepare(
    stage: StageProgram,
    threads: int,
    precision: str,
    *,
    pin: bool,
    streams: int = 1,
    scheme: Scheme | None = None,
) -> OpenvinoExecutable:
    """Compile `stage`; its large weights stay where they are, mapped from their file.

    `streams` callers are served at once, each on `threads` threads. With a `scheme`, the weights of
    products are held in few bits.

    Sizes that are not known stay open; where OpenVINO cannot do with that, they are those of the
    sample run, and the stage takes no others.
    """
    texts = [value.name for value in stage.inputs if value.dtype == "string"]
    if texts:
        raise EngineError(
            f"OpenVINO takes no strings, and {texts[0]} holds some", where=f"stage {stage.name}"
        )
    few = {} if scheme is None else _compressed(stage, scheme)
    large = _large_weights(stage.model)
    weights = large | {name: np.array(few[name].full) for name in few if name not in large}
    _check_integers(stage)
    check_open_sizes(stage)
    rounds = scheme is not None and scheme.activations == "int8"
    exact = precision == "f32" and not rounds
    options: dict[str, object] = {
        "PERFORMANCE_HINT": "LATENCY",
        "EXECUTION_MODE_HINT": "ACCURACY" if exact else "PERFORMANCE",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads * streams,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": pin,
        "CPU_RUNTIME_CACHE_CAPACITY": _SHAPES_KEPT * len(stage.model.graph),
    }
    if scheme is not None:
        options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _GROUP if rounds else 0
    try:
        with _affinity_restored():
            try:
                found = _compiled(stage, weights, few, options, {})
            except Exception:
                sizes = {value.name: value.shape for value in stage.inputs}
                found = _compiled(stage, weights, few, options, sizes)
    except EngineError:
        raise
    except Exception as error:  # openvino's own exceptions share no base class
        raise EngineError(
            f"OpenVINO refuses it: {_last_line(error)}",
            where=f"stage {stage.name}",
            fix="leave the device out, or forbid the stage's nodes on it",
        ) from error
    model, compiled, kept = found
    return OpenvinoExecutable(model, compiled, stage, kept, streams)


def _compressed(stage: StageProgram, scheme: Scheme) -> "Mapping[str, Compressed]":
    from stagecut.backends.openvino.compressed import compressed

    return compressed(stage, scheme)


def _is_small(port: ov.ConstOutput) -> bool:
    """Whether the tensor is known to be small; an empty one, which OpenVINO treats apart, is
    not."""
    if port.get_partial_shape().is_dynamic:
        return False
    return bool(0 < port.get_tensor().size <= _SMALL_BYTES)


def _fits(array: Tensor) -> bool:
    """Whether float32 holds its integers exactly."""
    if array.itemsize < 4 or not array.size:
        return True
    least, most = np.minimum.reduce(array, axis=None), np.maximum.reduce(array, axis=None)
    return bool(least >= -_MOST and most <= _MOST)


def _check_integers(stage: StageProgram) -> None:
    """Raises EngineError for a weight with integers of more than 24 bits, but for the ends of a
    Slice: exporters write the largest integer for an open end, and OpenVINO knows that."""
    for name, value in stage.model.graph.initializers.items():
        if value.dtype not in _CHECKED or value.const_value is None:
            continue
        sliced = all(usage.node.op_type == "Slice" and usage.idx for usage in value.uses())
        if not sliced and not _fits(as_array(value.const_value)):
            raise EngineError(
                f"{name} holds integers of more than 24 bits, which OpenVINO may round",
                where=f"stage {stage.name}",
                fix="forbid the stage's nodes on the device",
            )


def _compiled(
    stage: StageProgram,
    weights: dict[str, Tensor],
    few: "Mapping[str, Compressed]",
    options: dict[str, object],
    sizes: Mapping[str, tuple[int, ...]],
) -> tuple[ov.Model, ov.CompiledModel, object]:
    """With what has to be kept while they are in use."""
    model = _core().read_model(_without(stage, weights, sizes))
    kept = _put_in(model, weights, few)
    _check_shapes(model, stage)
    return model, _core().compile_model(model, "CPU", options), kept


def _large_weights(model: ir.Model) -> dict[str, Tensor]:
    """The weights that lie in a file, where they are mapped, by name."""
    return {
        name: _mapped(value.const_value)
        for name, value in model.graph.initializers.items()
        if isinstance(value.const_value, MappedTensor)
    }


def _mapped(tensor: MappedTensor) -> Tensor:
    """The weight in place, writeable, as OpenVINO shares memory only where it is."""
    return np.frombuffer(tensor.data, tensor.dtype.numpy()).reshape(tensor.shape.numpy())


def _without(
    stage: StageProgram, weights: dict[str, Tensor], sizes: Mapping[str, tuple[int, ...]]
) -> bytes:
    """The stage's ONNX bytes, its inputs bound to `sizes`, its large weights as further inputs."""
    proto = ir.to_proto(stage.model)
    ranks = {value.name: len(value.shape) for value in stage.inputs}
    for port in proto.graph.input:
        shape = port.type.tensor_type.shape
        if port.name in sizes:
            del shape.dim[:]
            shape.dim.extend(map(_dimension, sizes[port.name]))
        elif not port.type.tensor_type.HasField("shape"):  # OpenVINO wants the rank at least
            shape.dim.extend([onnx.TensorShapeProto.Dimension()] * ranks[port.name])
    kept = [each for each in proto.graph.initializer if each.name not in weights]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    known = {each.name for each in proto.graph.input}
    for name, array in weights.items():
        if name not in known:
            value = stage.model.graph.initializers[name]
            proto.graph.input.append(_as_input(name, value, array))
    data: bytes = proto.SerializeToString()
    return data


def _dimension(size: int) -> onnx.TensorShapeProto.Dimension:
    return onnx.TensorShapeProto.Dimension(dim_value=size)


def _as_input(name: str, value: ir.Value, array: Tensor) -> onnx.ValueInfoProto:
    dtype = value.dtype or ir.DataType.from_numpy(array.dtype)
    return helper.make_tensor_value_info(name, int(dtype), array.shape)


def _put_in(
    model: ov.Model, weights: dict[str, Tensor], few: "Mapping[str, Compressed]"
) -> list[object]:
    """Replace the inputs that stand for weights by constants, without copying them: in few bits for
    products that are there in them. What has to be kept while these are in use."""
    kept: list[object] = []
    for parameter in list(model.get_parameters()):
        found = parameter.output(0).get_names() & weights.keys()
        if found:
            name = found.pop()
            if name in few:
                kept += _put_in_few(parameter, few[name])
            readers = parameter.output(0).get_target_inputs()
            if readers:
                constant = opset13.constant(weights[name], shared_memory=True)
                kept.append(weights[name])
            for reader in readers:
                reader.replace_source_output(constant.output(0))
            model.remove_parameter(parameter)
    model.validate_nodes_and_infer_types()
    return kept


def _put_in_few(parameter: ov.Node, weight: "Compressed") -> list[object]:
    from stagecut.backends.openvino.compressed import put_in

    return put_in(parameter, weight)


def _check_shapes(model: ov.Model, stage: StageProgram) -> None:
    """Raises EngineError where OpenVINO infers another shape for an output than the plan has."""
    if any(port.get_partial_shape().is_dynamic for port in model.inputs):
        return
    for output, value in zip(model.outputs, stage.outputs, strict=True):
        reason = _misshapen(output, value.name, value.shape)
        if reason:
            raise EngineError(
                reason,
                where=f"stage {stage.name}",
                fix="leave the device out, or forbid the stage's nodes on it",
            )


def _name(port: ov.ConstOutput, names: Sequence[str]) -> str:
    found: str = next(name for name in port.get_names() if name in names)
    return found


def _shared(array: Tensor) -> ov.Tensor:
    """The array itself where OpenVINO can read it in place, else a copy."""
    if not (array.flags.c_contiguous and array.flags.writeable):
        array = np.array(array, order="C")
    if array.dtype.char in "qQ":  # numpy has two types of 64 bits, OpenVINO knows one
        array = array.view(array.dtype.str)
    return ov.Tensor(array, shared_memory=True)


@contextmanager
def _affinity_restored() -> Iterator[None]:
    """Restore the CPUs of the calling thread, which OpenVINO may change while it compiles."""
    allowed = os.sched_getaffinity(0)
    try:
        yield
    finally:
        if os.sched_getaffinity(0) != allowed:
            os.sched_setaffinity(0, allowed)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

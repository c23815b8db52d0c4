"""A compiled stage: what is given to OpenVINO in each run, and what it gives back."""

import math
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import openvino as ov

from stagecut.backends.openvino.library import last_line
from stagecut.backends.openvino.shapes import KnownShapes, Shapes
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError, ValueRangeError

#: Copying this much takes about 2 us, giving OpenVINO another address for a tensor 6 us.
_SMALL_BYTES = 1 << 17

#: Below this, malloc has memory at hand that was written before.
_WORTH_KEEPING_BYTES = 4 << 20

#: So many arrays of a result may be used again, by each thread: a stream writes one while another
#: is on its way to whoever takes it.
_KEPT = 2

#: References to an array that is kept and has no views: the keeping one, and that of who counts.
_UNUSED = 2

#: What float32 holds exactly: some kernels compute on integers in it.
_MOST = 2**24


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
        self._shapes = KnownShapes(_Trial(model, names)) if model.is_dynamic() else None
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
            if array.dtype.kind == "i" and not fits(array):
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


class _Trial:
    """Whether a stage with open dimensions, whose inputs have these `names`, can have inputs of
    some shapes: raises EngineError where it cannot."""

    def __init__(self, model: ov.Model, names: Sequence[str]) -> None:
        self._model = model
        self._places = [names.index(_name(port, names)) for port in model.inputs]

    def __call__(self, shapes: Shapes) -> None:
        model = self._model.clone()
        placed = zip(model.inputs, self._places, strict=True)
        try:
            model.reshape({port: ov.PartialShape([*shapes[at]]) for port, at in placed})
        except Exception as error:  # openvino's own exceptions share no base class
            raise EngineError(f"OpenVINO cannot run it: {last_line(error)}") from error


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
            (at, _Results(tuple(port.get_shape()), np.dtype(value.dtype)))
            for at, (port, value) in enumerate(zip(compiled.outputs, stage.outputs, strict=True))
            if port.get_partial_shape().is_static and not _is_small(port)
        ]
        self._count = len(stage.outputs)

    def run(self, inputs: Sequence[Tensor], turn: AbstractContextManager[bool]) -> list[Tensor]:
        request = self._request
        read = []  # OpenVINO knows their addresses only: what is read in a run has to outlive it
        for source, at, own in self._reads:
            if own is None or own.shape != inputs[source].shape:  # OpenVINO tells what does not fit
                read.append(_shared(inputs[source]))
                request.set_input_tensor(at, read[-1])
            else:
                np.copyto(own, inputs[source])
        large = {at: results.unused() for at, results in self._large}
        for at, array in large.items():
            request.set_output_tensor(at, ov.Tensor(array, shared_memory=True))
        try:
            with turn:
                request.infer(share_outputs=True)  # or else it copies every result
        except Exception as error:  # openvino's own exceptions share no base class
            raise EngineError(f"OpenVINO cannot run it: {last_line(error)}") from error
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


class _Results:
    """Arrays for one result. Memory that callers have let go of serves again: Linux writes zeros
    into what is new, which costs two streams of gpt2, with 26 MB of logits each, 7 % of their
    rate."""

    def __init__(self, shape: Sequence[int], dtype: "np.dtype[Any]") -> None:
        self._shape, self._dtype = shape, dtype
        self._are_kept = math.prod(shape) * dtype.itemsize >= _WORTH_KEEPING_BYTES
        self._kept: deque[Tensor] = deque(maxlen=_KEPT)

    def unused(self) -> Tensor:
        """An array that nobody else has."""
        for at in range(len(self._kept)):
            if sys.getrefcount(self._kept[at]) == _UNUSED:
                return self._kept[at].view()
        array = np.empty(self._shape, self._dtype)
        if not self._are_kept:
            return array
        self._kept.append(array)
        return array.view()


def _is_small(port: ov.ConstOutput) -> bool:
    """Whether the tensor is known to be small; an empty one, which OpenVINO treats apart, is
    not."""
    if port.get_partial_shape().is_dynamic:
        return False
    return bool(0 < port.get_tensor().size <= _SMALL_BYTES)


def fits(array: Tensor) -> bool:
    """Whether float32 holds its integers exactly."""
    if array.itemsize < 4 or not array.size:
        return True
    least, most = np.minimum.reduce(array, axis=None), np.maximum.reduce(array, axis=None)
    return bool(least >= -_MOST and most <= _MOST)


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

"""Ask ONNX Runtime about a model: inferred types, shapes in a run, or what it returns."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from stagecut.compiler.frontends.normal_form.limited_run import run_within_limit
from stagecut.compiler.frontends.normal_form.unique_names import give_names
from stagecut.compiler.ir.device import Feeds, Tensor, as_array
from stagecut.compiler.ir.errors import ModelError, SampleError

#: Weights from this size on are passed beside the model, as one protobuf holds at most 2 GiB.
_LARGE_BYTES = 1024

#: ONNX Runtime's names of types that ONNX calls otherwise.
_ELEMENTS = {"float": ir.DataType.FLOAT, "double": ir.DataType.DOUBLE}

#: Where its messages come from in its own C++: "/path/graph.cc:12 void f(int) The model is ...".
_SOURCE_LINE = re.compile(r"/\S+:\d+ .*?\)(?: const)? (?=[A-Z\[])")

_Session: TypeAlias = Any


def infer(model: ir.Model, values: Sequence[ir.Value]) -> None:
    """Give `values`, inner ones of `model`, the types and shapes that ONNX Runtime infers.

    Dimensions that depend on data stay open. Raises ModelError when it refuses the model.
    """
    asked = model.clone()
    _watch(asked, values)
    for value, output in zip(values, _session(asked).get_outputs(), strict=True):
        value.type = _type(output.type)
        if output.shape:  # an empty list stands for a scalar and for a rank that is not known
            value.shape = ir.Shape([dim if isinstance(dim, int) else None for dim in output.shape])


def measure(
    model: ir.Model, values: Sequence[ir.Value], feeds: Feeds
) -> dict[ir.Value, tuple[int, ...]]:
    """Run `model` on `feeds` and return the shapes that `values`, all tensors, have then.

    Only shapes come out of the run, so that no large tensor has to be kept for them. Raises
    ModelError when ONNX Runtime cannot run the model.
    """
    asked = model.clone()
    watched = _watch(asked, values)
    shapes = [ir.node("Shape", [value]) for value in watched]
    asked.graph.extend(shapes)
    asked.graph.outputs[:] = [node.outputs[0] for node in shapes]
    give_names(asked)
    outputs = _outputs(asked, feeds)
    return {value: tuple(map(int, shape)) for value, shape in zip(values, outputs, strict=True)}


def run(model: ir.Model, feeds: Feeds) -> list[Tensor]:
    """What `model` returns for `feeds`; raises ModelError when ONNX Runtime cannot run it."""
    return _outputs(model.clone(), feeds)


def _outputs(model: ir.Model, feeds: Feeds) -> list[Tensor]:
    """As `run`; takes the large weights out of `model`."""
    session = _session(model)
    given = {name: _feedable(array) for name, array in feeds.items()}
    try:
        outputs = run_within_limit(session, given, f"graph {model.graph.name}")
    except ModelError:
        raise
    except Exception as error:  # the engine's errors have no narrower class in common
        raise SampleError(
            f"ONNX Runtime cannot run it on the sample inputs: {_reason(error)}",
            where=f"graph {model.graph.name}",
            fix="give inputs that it runs on: feeds, or --input INPUT=FILE.npy",
        ) from error
    return list(outputs)


def returned_types(model: ir.Model) -> list[ir.TypeProtocol] | None:
    """The types of the outputs of a small `model`; None where ONNX Runtime refuses it."""
    texts = output_types(ir.serde.serialize_model(model).SerializeToString(deterministic=True))
    return None if texts is None else [_type(text) for text in texts]


@cache
def output_types(model: bytes) -> tuple[str, ...] | None:
    """ONNX Runtime's names for them, of a small model; None where it refuses it."""
    from stagecut.compiler.onnx_runtime import ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception:  # the engine's errors have no narrower class in common
        return None
    return tuple(output.type for output in session.get_outputs())


def _watch(model: ir.Model, values: Iterable[ir.Value]) -> Sequence[ir.Value]:
    """Make the values of `model` with the names of `values` its only outputs; return them."""
    written = {output.name: output for node in model.graph for output in node.outputs}
    watched = [written[value.name] for value in values]
    model.graph.outputs[:] = watched
    RemoveUnusedNodesPass()(model)
    return watched


def _session(model: ir.Model) -> _Session:
    """A session for one run: nothing is optimised, and there is no thread but the caller's."""
    from stagecut.compiler.onnx_runtime import ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_prepacking", "1")
    weights = _take_out_weights(model.graph)
    options.add_external_initializers(
        list(weights), [_ort_value(array) for array in weights.values()]
    )
    try:
        return ort.InferenceSession(
            ir.serde.serialize_model(model).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:  # the engine's errors have no narrower class in common
        raise ModelError(
            f"ONNX Runtime refuses it: {_reason(error)}",
            where=f"graph {model.graph.name}",
            fix="check that ONNX Runtime runs it by itself, and onnx.checker.check_model passes it",
        ) from error


def _take_out_weights(graph: ir.Graph) -> Mapping[str, Tensor]:
    """Replace the large weights of `graph` by references, and return them by name.

    Strings stay, and numbers of 4 bits, as numpy holds only one of these in a byte.
    """
    weights: dict[str, Tensor] = {}
    for name, value in graph.initializers.items():
        tensor = value.const_value
        if tensor is None or tensor.dtype == ir.DataType.STRING or tensor.dtype.bitwidth < 8:
            continue
        if tensor.nbytes >= _LARGE_BYTES:
            weights[name] = np.ascontiguousarray(as_array(tensor))
            value.const_value = ir.ExternalTensor(
                "weights",
                0,
                tensor.nbytes,
                tensor.dtype,
                shape=ir.Shape(tensor.shape.numpy()),
                name=name,
            )
    return weights


def _feedable(array: Tensor) -> Any:
    """`array` as a session takes it: dtypes that numpy itself lacks only as an OrtValue."""
    return array if array.dtype.isbuiltin == 1 else _ort_value(array)


def _ort_value(array: Tensor) -> Any:
    from stagecut.compiler.onnx_runtime import ort

    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(
        array, ir.DataType.from_numpy(array.dtype).value
    )


def _type(text: str) -> ir.TypeProtocol:
    """The type that ONNX Runtime calls `text`, e.g. "optional(seq(tensor(float16)))"."""
    kind, _, inner = text.removesuffix(")").partition("(")
    match kind:
        case "seq":
            return ir.SequenceType(_type(inner))
        case "optional":
            return ir.OptionalType(_type(inner))
        case "sparse_tensor":
            return ir.SparseTensorType(_element(inner))
        case _:
            return ir.TensorType(_element(inner))


def _element(name: str) -> ir.DataType:
    return _ELEMENTS[name] if name in _ELEMENTS else ir.DataType[name.upper()]


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _SOURCE_LINE.sub("", lines[0].split(" : ", 3)[-1])

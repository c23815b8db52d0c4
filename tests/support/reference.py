"""The reference that everything is compared with: ONNX Runtime on the whole model, one thread."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime import Session


def run_reference(model: onnx.ModelProto | ir.Model, feeds: Feeds) -> list[Tensor]:
    """The outputs of `model` in its own order, as ONNX Runtime computes them unoptimised."""
    proto = ir.to_proto(model) if isinstance(model, ir.Model) else model
    outputs: list[Tensor] = reference_session(proto).run(None, dict(feeds))
    return outputs


def assert_as_reference(session: Session, model: onnx.ModelProto | ir.Model, feeds: Feeds) -> None:
    """What the session answers is what the reference does, but for roundings."""
    for found, expected in zip(session.run(None, feeds), run_reference(model, feeds), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def reference_session(proto: onnx.ModelProto, *, optimised: bool = False) -> ort.InferenceSession:
    """ONNX Runtime on one thread, which says nothing but what it raises."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def random_feeds(
    model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]], *, seed: int = 0
) -> dict[str, Tensor]:
    """Random arrays for every input of `model` that no initializer fills."""
    rng = np.random.default_rng(seed)
    filled = {tensor.name for tensor in model.graph.initializer}
    feeds: dict[str, Tensor] = {}
    for value in model.graph.input:
        if value.name not in filled:
            tensor = value.type.tensor_type
            fixed = tuple(dim.dim_value for dim in tensor.shape.dim)
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
            feeds[value.name] = _random(rng, dtype, shapes.get(value.name, fixed))
    return feeds


def _random(rng: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Tensor:
    if dtype == np.object_:
        return np.array(rng.choice(["", "a", "é"], shape), dtype=object)
    if dtype == np.bool_:
        return np.asarray(rng.integers(0, 2, shape), dtype=bool)
    if np.issubdtype(dtype, np.integer):
        return np.asarray(rng.integers(0, 2, shape), dtype=dtype)
    return np.asarray(rng.standard_normal(shape), dtype=dtype)

"""Products in float32 or float64, computed by ONNX Runtime on one thread.

Not by numpy: the threads of its BLAS spin while they wait, which makes a product up to fifty times
slower on a busy machine, and it packs the weight again for every product. This module is imported
only when a stage is prepared, because ONNX Runtime takes long to load.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.onnx_runtime import ort

_OPSET, _IR_VERSION = 13, 8


def multiplier(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    """A function that multiplies [rows, inner] by `matrix` [inner, outer], both of one format;
    threads may share it."""
    inner, outer = matrix.shape
    weight = numpy_helper.from_array(np.ascontiguousarray(matrix), "right")
    run = _session(matrix.dtype, {"left": ["rows", inner]}, ["rows", outer], [weight])
    return lambda rows: run(left=rows)


def product(dtype: np.dtype[Any]) -> Callable[[Tensor, Tensor], Tensor]:
    """A function that multiplies [n, rows, inner] by [n, inner, outer]; threads may share it."""
    shapes: dict[str, list[str | int]] = {
        "left": ["n", "rows", "inner"],
        "right": ["n", "inner", "outer"],
    }
    run = _session(dtype, shapes, ["n", "rows", "outer"], [])
    return lambda left, right: run(left=left, right=right)


def _session(
    dtype: np.dtype[Any],
    inputs: dict[str, list[str | int]],
    output: list[str | int],
    weights: list[onnx.TensorProto],
) -> Callable[..., Tensor]:
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("product", kind, output)],
        weights,
    )
    imports = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=_IR_VERSION)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    session = ort.InferenceSession(model.SerializeToString(), options, providers=providers)

    def run(**operands: Tensor) -> Tensor:
        (result,) = session.run(None, operands)
        return np.asarray(result)

    return run

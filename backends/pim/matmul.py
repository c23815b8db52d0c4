"""Products in float32, computed by ONNX Runtime on one thread.

Not by numpy: the threads of its BLAS spin while they wait, which makes a product up to fifty times
slower on a busy machine, and it packs the weight again for every product. This module is imported
only when a stage is prepared, because ONNX Runtime takes long to load.
"""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

from stagecut.compiler.ir.device import Tensor

_FLOAT, _OPSET, _IR_VERSION = onnx.TensorProto.FLOAT, 13, 8


def multiplier(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    """A function that multiplies [rows, inner] by `matrix` [inner, outer]; threads may share it."""
    inner, outer = matrix.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["rows", "matrix"], ["product"])],
        "product",
        [helper.make_tensor_value_info("rows", _FLOAT, ["rows", inner])],
        [helper.make_tensor_value_info("product", _FLOAT, ["rows", outer])],
        [numpy_helper.from_array(np.ascontiguousarray(matrix), "matrix")],
    )
    imports = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=_IR_VERSION)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    session = ort.InferenceSession(model.SerializeToString(), options, providers=providers)

    def multiply(rows: Tensor) -> Tensor:
        (product,) = session.run(None, {"rows": rows})
        return np.asarray(product)

    return multiply

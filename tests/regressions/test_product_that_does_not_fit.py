"""A product that fits only some sizes of an open dimension: at others it is an error, everywhere.

OpenVINO read beyond the end of its operands.
"""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stagecut.compiler import compile_model
from stagecut.compiler.ir.errors import EngineError
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime import Session


def _product() -> onnx.ModelProto:
    """y = w @ x, where w is 24 x 24 and x has an open number of rows."""
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["w", "x"], ["y"])],
        "product",
        [tensor("x", TensorProto.FLOAT, ["rows", 24])],
        [tensor("y", TensorProto.FLOAT, [24, 24])],
        [numpy_helper.from_array(np.eye(24, dtype=np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


@pytest.mark.parametrize("device", ["cpu.serial", "openvino.f32.serial"])
def test_other_sizes_are_refused(device: str) -> None:
    model, feeds = _product(), {"x": np.ones((24, 24), np.float32)}
    session = Session(compile_model(model, feeds=feeds, devices=[device], costs=unmeasured))
    for rows in (4, 100, 4):
        with pytest.raises(EngineError):
            session.run(None, {"x": np.ones((rows, 24), np.float32)})
    [output] = session.run(None, feeds)
    np.testing.assert_array_equal(output, feeds["x"])

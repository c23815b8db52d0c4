"""Views beside ONNX Runtime, at shapes that the model leaves open."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import helper

from stagecut.backends.views import VIEWS, view
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.onnx_runtime import ort

CASES: dict[str, tuple[str, Sequence[int] | None, int, tuple[int, ...]]] = {
    "a size is kept": ("Reshape", (0, 4, -1), 1, (2, 3, 8)),
    "all sizes": ("Reshape", (8, 6), 1, (2, 3, 8)),
    "axes of size 1": ("Squeeze", (0, -1), 1, (1, 3, 1)),
    "whatever is of size 1": ("Squeeze", None, 1, (1, 3, 1)),
    "new axes": ("Unsqueeze", (0, -1), 1, (3, 8)),
    "rows": ("Flatten", None, 2, (2, 3, 8)),
    "one row": ("Flatten", None, 0, (2, 3, 8)),
    "rows, counted from behind": ("Flatten", None, -1, (2, 3, 8)),
    "nothing": ("Identity", None, 1, (2, 3, 8)),
}


@pytest.mark.parametrize(("op", "numbers", "axis", "shape"), CASES.values(), ids=CASES.keys())
def test_shapes_are_those_of_onnxruntime(
    op: str, numbers: Sequence[int] | None, axis: int, shape: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    found = view(op, numbers, axis)(array)
    expected = _of_onnxruntime(op, numbers, axis, array)
    np.testing.assert_array_equal(found, expected)


def test_a_size_of_none() -> None:
    """As it stands, where the operator says so."""
    array = np.zeros((0, 3), np.float32)
    assert view("Reshape", (3, 0), 1, keeps_zero=True)(array).shape == (3, 0)


def test_every_view_is_asked_about() -> None:
    assert {op for op, *_ in CASES.values()} == VIEWS


def _of_onnxruntime(op: str, numbers: Sequence[int] | None, axis: int, array: Tensor) -> Tensor:
    names = ["x"] if numbers is None else ["x", "numbers"]
    node = helper.make_node(op, names, ["y"])
    if op == "Flatten":
        node.attribute.append(helper.make_attribute("axis", axis))
    graph = helper.make_graph(
        [node],
        "view",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, array.shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
    )
    if numbers is not None:
        weight = helper.make_tensor("numbers", onnx.TensorProto.INT64, [len(numbers)], numbers)
        graph.initializer.append(weight)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: Tensor = session.run(None, {"x": array})[0]
    return found

"""A stage is refused where it leaves a size open at which OpenVINO may be wrong, and only there."""

import pytest

from stagecut import backends
from stagecut.compiler.ir.errors import EngineError
from tests.support.operators.case import inferred, placed
from tests.support.operators.forms.shorthand import c, form, x
from tests.support.operators.schemas import Form, case_of

pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")

_TWICE = c([1.0, 1.0, 2.0, 2.0], "float32")

#: Forms that OpenVINO runs as ONNX has it; (operator, opset, form) -> whether also where sizes are
#: open.
FORMS: dict[str, tuple[str, int, Form, bool]] = {
    "parts that are counted": ("Split", 18, form(x(6, 6), num_outputs=3, outputs=3), False),
    "parts whose sizes are given": ("Split", 18, form(x(6, 6), c([2, 4]), outputs=2), True),
    "Softmax-11 before an axis": ("Softmax", 11, form(x(2, 3, 1)), False),
    "Softmax-11 along the last axis": ("Softmax", 11, form(x(2, 3), axis=1), True),
    "Softmax-13 before an axis": ("Softmax", 13, form(x(2, 3, 1), axis=1), True),
    "a last window": (
        "MaxPool",
        11,
        form(x(1, 1, 6), kernel_shape=(3,), strides=(2,), pads=(1, 1), ceil_mode=1),
        False,
    ),
    "whole windows": ("MaxPool", 11, form(x(1, 1, 6), kernel_shape=(3,), strides=(2,)), True),
    "cubic, of any channels": (
        "Resize",
        13,
        form(x(1, 2, 4, 5), None, _TWICE, mode="cubic"),
        False,
    ),
    "linear": ("Resize", 13, form(x(1, 2, 4, 5), None, _TWICE, mode="linear"), True),
    "the largest": ("TopK", 11, form(x(2, 5), c([2], "int64"), outputs=2), False),
    "heads": ("Attention", 23, form(x(1, 2, 3, 4), x(1, 2, 5, 4), x(1, 2, 5, 4)), False),
}


@pytest.mark.parametrize(("op", "opset", "asked", "open_too"), FORMS.values(), ids=FORMS)
def test_a_size_that_is_open(op: str, opset: int, asked: Form, open_too: bool) -> None:
    model = case_of(op, opset, asked).model()
    results = inferred(model)
    assert results is not None
    backend = backends.create("openvino.f32.serial")
    node, stage = placed(model, results)
    assert backend.supports(node)
    backend.prepare(stage)
    _, opened = placed(model, results, opened=True)
    if open_too:
        backend.prepare(opened)
        return
    with pytest.raises(EngineError, match="known only when it runs"):
        backend.prepare(opened)


@pytest.mark.parametrize("name", ["Softmax-11 before an axis", "a last window"])
def test_a_shape_of_which_nothing_is_known(name: str) -> None:
    op, opset, asked, _ = FORMS[name]
    model = case_of(op, opset, asked).model()
    results = inferred(model)
    assert results is not None
    _, stage = placed(model, results)
    for value in (*stage.model.graph.inputs, *stage.model.graph.outputs):
        value.shape = None
    with pytest.raises(EngineError, match="known only when it runs"):
        backends.create("openvino.f32.serial").prepare(stage)

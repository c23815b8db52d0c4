"""What OpenVINO answers otherwise than ONNX is refused; what is beside it is not, and right."""

import pytest

from stagecut import backends
from tests.support.operators.case import inferred, placed
from tests.support.operators.forms.shorthand import c, form, v, w, x
from tests.support.operators.schemas import Form, case_of
from tests.support.operators.verdict import verdicts

pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")

_SIZES = c([1.0, 1.0, 0.5, 0.4], "float32")
_BOXES = v([[0.0, 0.0, 4.0, 3.0]], "float32")
_PEEPHOLES = (
    x(4, 2, 3, fill="unit"),
    w(1, 20, 3, fill="unit"),
    w(1, 20, 5, fill="unit"),
    None,
    None,
    None,
    None,
    w(1, 15, fill="unit"),
)

#: (operator, opset, form) -> a word of the reason.
REFUSED: dict[str, tuple[str, int, Form, str]] = {
    "Softmax-11 over several axes": ("Softmax", 11, form(x(2, 3, 4)), "opset 13"),
    "Softmax-12 over all axes": ("Softmax", 12, form(x(2, 3), axis=0), "opset 13"),
    "the mean of padding that ceil_mode adds": (
        "AveragePool",
        22,
        form(x(1, 1, 5), kernel_shape=(3,), strides=(2,), ceil_mode=1, count_include_pad=1),
        "ceil_mode",
    ),
    "the extreme of infinities": ("ReduceMax", 13, form(x(2, 3)), "infinities"),
    "infinities are looked for": ("IsInf", 20, form(x(2, 3)), "infinities"),
    "weights outside an image": (
        "Resize",
        18,
        form(x(1, 2, 4, 5), None, _SIZES, mode="cubic", exclude_outside=1),
        "exclude_outside",
    ),
    "an aspect ratio that is kept": (
        "Resize",
        18,
        form(
            x(1, 2, 4, 5),
            None,
            None,
            c([7, 3], "int64"),
            axes=(2, 3),
            keep_aspect_ratio_policy="not_larger",
        ),
        "aspect",
    ),
    "antialias": (
        "Resize",
        18,
        form(x(1, 2, 4, 5), None, _SIZES, mode="linear", antialias=1),
        "antialias",
    ),
    "cubic along channels": (
        "Resize",
        18,
        form(x(1, 4, 5, 2), None, c([1.0, 2.0, 2.0, 1.0], "float32"), mode="cubic"),
        "cubic",
    ),
    "a padding that is computed": ("Pad", 13, form(x(3, 4), c([0, 1, 0, 2]), x()), "padding"),
    "peepholes": ("LSTM", 14, form(*_PEEPHOLES, hidden_size=5), "peepholes"),
    "coupled gates": ("LSTM", 14, form(*_PEEPHOLES[:3], hidden_size=5, input_forget=1), "forget"),
    "lengths of sequences": (
        "LSTM",
        14,
        form(*_PEEPHOLES[:4], c([4, 2], "int32"), hidden_size=5),
        "lengths",
    ),
    "blocks": (
        "DequantizeLinear",
        21,
        form(x(2, 4, dtype="uint8"), w(2, 2), w(2, 2), block_size=2),
        "blocks",
    ),
    "parts that are counted": (
        "Split",
        18,
        form(x(7, 7), num_outputs=3, outputs=3),
        "memory",
    ),
    "padding that is worked out": (
        "ConvTranspose",
        11,
        form(x(1, 2, 4, 5), w(2, 3, 3, 3), auto_pad="SAME_UPPER"),
        "pads",
    ),
    "no axis to reduce": ("ReduceSum", 13, form(x(2, 3), noop_with_empty_axes=1), "axes"),
    "grouped heads": (
        "Attention",
        23,
        form(x(1, 4, 3, 4), x(1, 2, 5, 4), x(1, 2, 5, 4)),
        "heads",
    ),
    "grouped heads by name": (
        "Attention",
        23,
        form(x(1, 3, 8), x(1, 5, 4), x(1, 5, 4), q_num_heads=4, kv_num_heads=2),
        "heads",
    ),
    "one number a channel": ("InstanceNormalization", 6, form(x(1, 3, 1), w(3), w(3)), "only"),
    "a norm of small numbers": ("LpNormalization", 1, form(x(2, 3)), "small"),
    "an even window": ("LRN", 13, form(x(2, 5, 3, 2), size=2), "even"),
    "regions": ("RoiAlign", 16, form(x(1, 1, 5, 6), _BOXES, v([0])), "points"),
    "a window that begins in the padding": (
        "MaxPool",
        11,
        form(x(1, 1, 5), kernel_shape=(3,), strides=(3,), pads=(1, 1), ceil_mode=1),
        "padding",
    ),
    "a convolution's window that lies in the padding": (
        "Conv",
        11,
        form(x(1, 2, 3, 2), w(2, 2, 2, 1), w(2), pads=(0, 0, 0, 1), strides=(2, 1)),
        "crashes",
    ),
    "a spectrum along an axis from the end": ("DFT", 17, form(x(2, 6, 1), axis=-2), "another axis"),
    "one side of a spectrum": (
        "DFT",
        20,
        form(x(2, 6, 1), None, c(1, "int64"), onesided=1),
        "shape",
    ),
    "a grid over booleans": (
        "GridSample",
        22,
        form(x(1, 2, 4, 5, dtype="bool"), x(1, 3, 2, 2, dtype="float32")),
        "floats",
    ),
    "an infinity that is cut": ("Shrink", 9, form(x(2, 3)), "NaN"),
    "a quantized convolution": (
        "QLinearConv",
        10,
        form(
            *(x(1, 2, 4, 4, dtype="uint8"), c(0.1), c(2), w(3, 2, 2, 2, dtype="uint8"), c(0.2)),
            *(c(0, "uint8"), c(0.5), c(1, "uint8")),
        ),
        "no kernel",
    ),
    "small integers beyond their range": ("Add", 14, form(x(3, dtype="uint8"), x(3)), "round"),
    "large integers in a sum": ("ReduceSum", 13, form(x(2, 3, dtype="int32")), "round"),
    "a product of integers": ("MatMul", 13, form(x(2, 3, dtype="int32"), x(3, 4)), "round"),
    "a division of integers": ("Div", 14, form(x(3, dtype="int32"), x(3)), "round"),
    "the size of the smallest": ("Abs", 13, form(x(3, dtype="int8")), "round"),
}
RIGHT: dict[str, tuple[str, int, Form]] = {
    "Softmax-11 along the last axis": ("Softmax", 11, form(x(2, 3, 4), axis=2)),
    "Softmax-11 along the last axis from the end": ("Softmax", 11, form(x(2, 3), axis=-1)),
    "Softmax-11 before axes of size 1": ("Softmax", 11, form(x(1, 4, 1, 1))),
    "Softmax-10 over several axes": ("Softmax", 10, form(x(2, 3, 4))),
    "Softmax-13 along the first axis": ("Softmax", 13, form(x(2, 3, 4), axis=0)),
    "LogSoftmax-11 over several axes": ("LogSoftmax", 11, form(x(2, 3, 4))),
    "the mean without padding": (
        "AveragePool",
        22,
        form(x(1, 1, 5), kernel_shape=(3,), strides=(2,), ceil_mode=1),
    ),
    "a window that ends in the padding": (
        "MaxPool",
        11,
        form(x(1, 1, 6), kernel_shape=(3,), strides=(2,), pads=(1, 1), ceil_mode=1),
    ),
    "a convolution's window that ends in the padding": (
        "Conv",
        11,
        form(x(1, 2, 3, 2), w(2, 2, 2, 2), w(2), pads=(0, 0, 0, 1), strides=(2, 1)),
    ),
    "cubic on an image": (
        "Resize",
        13,
        form(x(1, 2, 4, 5), None, c([1.0, 1.0, 2.0, 2.0], "float32"), mode="cubic"),
    ),
    "parts whose sizes are given": ("Split", 18, form(x(6, 6), c([2, 4]), outputs=2)),
    "parts that are alike": ("Split", 18, form(x(6, 6), num_outputs=3, outputs=3)),
    "a sum of floats": ("ReduceSum", 13, form(x(2, 3), c([1], "int64"))),
    "integers that are compared": ("Equal", 13, form(x(2, 3, dtype="int32"), x(3))),
    "a product of quantized numbers": (
        "MatMulInteger",
        10,
        form(x(1, 900, dtype="uint8"), x(900, 2, dtype="uint8")),
    ),
}


@pytest.mark.parametrize(("op", "opset", "asked", "word"), REFUSED.values(), ids=REFUSED.keys())
def test_a_fault_is_refused(op: str, opset: int, asked: Form, word: str) -> None:
    model = case_of(op, opset, asked).model()
    results = inferred(model)
    assert results is not None
    node, _ = placed(model, results)
    assert word in backends.create("openvino.f32.serial").supports(node).reason


@pytest.mark.parametrize(("op", "opset", "asked"), RIGHT.values(), ids=RIGHT.keys())
def test_what_is_beside_it_is_right(op: str, opset: int, asked: Form) -> None:
    found = verdicts(case_of(op, opset, asked), backends.create("openvino.f32.serial"))
    usual = [each.outcome for each in found if each.data in {"", "usual", "zero", "whole"}]
    assert usual
    assert set(usual) == {"right"}

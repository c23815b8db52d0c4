"""What a model declares of a value, and arrays that are not so."""

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.runtime.form import ANY, Form, form_of

_FLOAT = ir.TensorType(ir.DataType.FLOAT)


def _value(*dims: int | str | None, kind: ir.TypeProtocol | None = _FLOAT) -> ir.Value:
    return ir.Value(name="y", type=kind, shape=ir.Shape(dims))


FIXED = form_of(_value(2, 3))
OPEN = form_of(_value("N", 3))
STRINGS = form_of(_value(2, kind=ir.TensorType(ir.DataType.STRING)))


def test_a_form_has_what_is_declared() -> None:
    assert Form("y", np.dtype(np.float32), (2, 3), (2, 3)) == FIXED
    assert Form("y", np.dtype(np.float32), None, (None, 3)) == OPEN
    assert Form("y", None, (2,), (2,), strings=True) == STRINGS
    assert form_of(ir.Value(name="y", type=_FLOAT)) == Form("y", np.dtype(np.float32))
    assert form_of(_value(2, kind=ir.SequenceType(_FLOAT))) == Form("y")
    assert form_of(_value(2, kind=None)) == Form("y")


FITS = {
    "as declared": (FIXED, np.zeros((2, 3), np.float32)),
    "an open size": (OPEN, np.zeros((7, 3), np.float32)),
    "strings": (STRINGS, np.array(["a", "b"])),
    "strings as objects": (STRINGS, np.array(["a", "b"], object)),
    "anything": (ANY, np.zeros(5, np.int8)),
}


@pytest.mark.parametrize(("form", "array"), FITS.values(), ids=FITS.keys())
def test_what_fits(form: Form, array: np.ndarray) -> None:
    assert form.misfit(array) == ""


MISFITS = {
    "a list": (FIXED, [1.0], "y is a list, not a numpy array"),
    "nothing": (ANY, None, "the value is a NoneType, not a numpy array"),
    "another type": (FIXED, np.zeros((2, 3)), "y has type float64, and float32 in the model"),
    "another order of bytes": (FIXED, np.zeros((2, 3), ">f4"), "y has type >f4, and float32"),
    "another shape": (FIXED, np.zeros((3, 2), np.float32), "shape 3x2, and 2x3 in the model"),
    "another rank": (OPEN, np.zeros(3, np.float32), "y has shape 3, and ?x3 in the model"),
    "another fixed size": (OPEN, np.zeros((3, 4), np.float32), "shape 3x4, and ?x3 in the model"),
    "numbers for strings": (STRINGS, np.zeros(2), "type float64, and holds strings in the model"),
}


@pytest.mark.parametrize(("form", "array", "problem"), MISFITS.values(), ids=MISFITS.keys())
def test_what_does_not(form: Form, array: object, problem: str) -> None:
    assert problem in form.misfit(array)

"""Arrays of users become arrays that engines take, or an error; never other numbers."""

import io
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from stagecut.compiler.ir.border import CARRIERS, carried, check_names, conformed, handed_back
from stagecut.compiler.ir.errors import FeedError

TEXTS: dict[str, Any] = {
    "objects": np.array(["a", "bé"], object),
    "numpy's own strings": np.array(["a", "bé"]),
    "strings of any length": np.array(["a", "bé"], np.dtypes.StringDType()),
    "bytes": np.array([b"a", "bé".encode()]),
    "objects of several kinds": np.array([np.str_("a"), "bé".encode()], object),
}


@pytest.mark.parametrize("array", TEXTS.values(), ids=TEXTS.keys())
def test_strings_are_objects_that_are_str(array: Any) -> None:
    found = conformed("x", array, "string")
    assert found.dtype == object
    assert [*map(type, found)] == [str, str]
    assert found.tolist() == ["a", "bé"]


def test_a_string_without_dimensions() -> None:
    assert conformed("x", np.array(b"a"), "string").shape == ()
    assert conformed("x", np.array([], "S1"), "string").shape == (0,)


@pytest.mark.parametrize("dtype", [">f4", ">i8", ">u2", ">f2", ">c8"])
def test_the_byte_order_is_the_machines(dtype: str) -> None:
    native = np.arange(6).reshape(2, 3).astype(np.dtype(dtype).newbyteorder("="))
    found = conformed("x", native.astype(dtype), native.dtype.name)
    assert found.dtype == native.dtype
    np.testing.assert_array_equal(found, native)


def test_an_array_that_fits_is_not_copied() -> None:
    array = np.zeros(3, np.float32)[::2]
    assert conformed("x", array, "float32") is array


def test_a_numpy_scalar_is_an_array_without_dimensions() -> None:
    assert conformed("x", np.float32(2), "float32").shape == ()


BAD: dict[str, tuple[Any, str, str]] = {
    "another type": (np.ones(2), "float32", "is float64, and the model reads float32"),
    "another type in another order": (np.ones(2, ">f8"), "float32", "is >f8, and"),
    "numbers for strings": (np.ones(2), "string", "reads strings"),
    "objects that are no text": (np.array(["a", None], object), "string", "None in it is a None"),
    "bytes that are no text": (np.array([b"\xff"]), "string", "not UTF-8"),
    "strings for numbers": (np.array(["1"]), "float32", "is <U1, and the model reads float32"),
    "a mask": (np.ma.array([1.0], mask=[True]), "float64", "masked"),
}


@pytest.mark.parametrize(("array", "dtype", "problem"), BAD.values(), ids=BAD.keys())
def test_what_does_not_fit(array: Any, dtype: str, problem: str) -> None:
    with pytest.raises(FeedError, match=problem) as caught:
        conformed("x", array, dtype)
    assert caught.value.fix


@pytest.mark.parametrize("dtype", CARRIERS)
def test_a_carrier_holds_every_number(dtype: str) -> None:
    bits = 16 if dtype == "bfloat16" else 8
    every = np.arange(1 << bits, dtype=f"uint{bits}").view(dtype)
    there = carried(every)
    assert there.dtype.isbuiltin
    back = handed_back(there, dtype)
    np.testing.assert_array_equal(back.astype(np.float32), every.astype(np.float32))


def test_what_numpy_saves_of_types_that_it_lacks() -> None:
    array = np.array([1.5, -2], ml_dtypes.bfloat16)
    file = io.BytesIO()
    np.save(file, array)
    file.seek(0)
    np.testing.assert_array_equal(conformed("x", np.load(file), "bfloat16"), array)


def test_every_input_is_given_an_array_and_nothing_else_is() -> None:
    check_names(["x", "y"], ["x"], optional=["y"])
    with pytest.raises(FeedError, match="no array is given for it") as missing:
        check_names(["x", "y"], ["x"])
    assert (missing.value.where, missing.value.fix) == ("input y", "give one for each of x, y")
    with pytest.raises(FeedError, match="the model has no such input") as unknown:
        check_names(["x"], ["x", "z"], where="--calibrate: ")
    assert (unknown.value.where, unknown.value.fix) == ("--calibrate: z", "its inputs are x")

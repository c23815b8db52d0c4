"""Sample inputs: those that are given are checked, the others are the same every time."""

from collections.abc import Mapping

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.feeds import (
    check_feeds,
    check_shapes,
    input_types,
    make_feeds,
    other_samples,
)
from stagecut.compiler.ir.errors import FeedError, ModelError, ShapeError

F32, I64, TEXT = np.dtype(np.float32), np.dtype(np.int64), np.dtype(np.object_)


def test_the_types_of_inputs_are_numpys() -> None:
    inputs = [
        ir.Value(name=name, type=ir.TensorType(dtype))
        for name, dtype in {
            "f": ir.DataType.FLOAT,
            "b": ir.DataType.BFLOAT16,
            "s": ir.DataType.STRING,
        }.items()
    ]
    assert input_types(inputs) == {"f": F32, "b": np.dtype(ml_dtypes.bfloat16), "s": TEXT}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ir.SequenceType(ir.TensorType(ir.DataType.FLOAT)), "Sequence"),
        (ir.OptionalType(ir.TensorType(ir.DataType.FLOAT)), "Optional"),
        (None, "missing"),
    ],
)
def test_an_input_that_no_array_can_fill_is_refused(
    kind: ir.TypeProtocol | None, said: str
) -> None:
    with pytest.raises(ModelError, match=f"input x: its type is {said}"):
        input_types([ir.Value(name="x", type=kind)])


def test_given_arrays_come_in_the_order_of_the_inputs() -> None:
    given = check_feeds({"a": F32, "b": I64}, {"b": np.ones(2, np.int64), "a": np.float32(1)})
    assert list(given) == ["a", "b"]


@pytest.mark.parametrize("text", [["a", "b"], np.array(["a", "b"]), np.array(["a", "b"], object)])
def test_text_may_be_any_kind_of_array(text: npt.ArrayLike) -> None:
    assert check_feeds({"s": TEXT}, {"s": text})["s"].tolist() == ["a", "b"]


REFUSED: dict[str, tuple[Mapping[str, npt.ArrayLike], str, str]] = {
    "one too few": (
        {"a": np.ones(1, np.float32)},
        "input b: no array is given for it",
        "give one for each of a, b",
    ),
    "one too many": (
        {"a": np.ones(1, np.float32), "b": np.ones(1, np.int64), "c": 1},
        "input c: the model has no such input",
        "its inputs are a, b",
    ),
    "another dtype": (
        {"a": np.ones(1), "b": np.ones(1, np.int64)},
        "input a: the array given for it is float64, and the model reads float32",
        "convert it with .astype('float32')",
    ),
}


@pytest.mark.parametrize(("given", "problem", "fix"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit_is_refused(
    given: Mapping[str, npt.ArrayLike], problem: str, fix: str
) -> None:
    with pytest.raises(FeedError) as refused:
        check_feeds({"a": F32, "b": I64}, given)
    assert str(refused.value) == f"{problem}\n  fix: {fix}"


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"input a: .* the shape 2, not 3"):
        check_shapes({"a": (3,)}, {"a": np.ones(2)})


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("int64", [1, 1]),
        ("uint8", [1, 1]),
        ("bool", [True, True]),
        ("object", ["", ""]),
        ("float32", np.random.default_rng(0).standard_normal(2).astype(np.float32).tolist()),
    ],
)
def test_made_up_arrays_are_the_same_every_time(dtype: str, expected: list[object]) -> None:
    feeds = make_feeds({"x": np.dtype(dtype)}, {"x": (2,)}, {})
    assert feeds["x"].dtype == dtype
    assert feeds["x"].tolist() == expected


def test_low_precision_is_made_up_too() -> None:
    feeds = make_feeds({"x": np.dtype(ml_dtypes.bfloat16)}, {"x": (0, 2)}, {})
    assert (feeds["x"].dtype, feeds["x"].shape) == (np.dtype(ml_dtypes.bfloat16), (0, 2))


def test_a_sample_is_used_where_it_fits() -> None:
    fitting, short = np.full(2, 7, np.int64), np.full(1, 7, np.int64)
    feeds = make_feeds({"a": I64, "b": I64}, {"a": (2,), "b": (2,)}, {"a": fitting, "b": short})
    assert feeds["a"] is fitting
    assert feeds["b"].tolist() == [1, 1]


def test_other_samples_have_zeros_where_ones_were_made_up() -> None:
    x, given, ids = np.ones(1, np.float32), np.full(2, 7), np.ones(2, np.int64)
    [others] = other_samples({"x": x, "given": given, "ids": ids}, ["x", "ids"])
    assert others["x"] is x
    assert others["given"] is given
    assert others["ids"].tolist() == [0, 0]
    assert others["ids"].dtype == np.int64


def test_of_a_few_each_may_be_the_one_that_has_to_be_zero() -> None:
    samples = {name: np.ones(1, np.int64) for name in "abc"}
    found = [
        "".join(str(each[name][0]) for name in "abc") for each in other_samples(samples, "abc")
    ]
    assert found == ["000", "001", "010", "011", "100", "101", "110"]
    many = {str(at): np.ones(1, np.int64) for at in range(20)}
    assert len([*other_samples(many, many)]) == 1


def test_nothing_else_can_be_made_up_for_floats_and_truths() -> None:
    samples = {"x": np.ones(1, np.float32), "m": np.ones(1, np.bool_)}
    assert not [*other_samples(samples, ["x", "m"])]

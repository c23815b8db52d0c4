"""Lists, where onnxruntime takes them, and no number that becomes another."""

from typing import Any

import numpy as np
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.errors import FeedError
from stagecut.compiler.ir.port import Port
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime import Session
from stagecut.runtime.inputs import Inputs
from tests.support.onnx_models import MODELS


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile_model(
        MODELS["symbolic dimensions"].proto(),
        devices=["cpu.serial"],
        shapes=MODELS["symbolic dimensions"].shapes,
    )


def test_lists_are_taken_where_onnxruntime_takes_them(plan: Plan) -> None:
    model = MODELS["symbolic dimensions"].proto()
    other = ort.InferenceSession(model.SerializeToString())
    feeds: Any = {"ids": [[1, 2], [3, 4]], "scale": [[0.5, 1, 2], [3, 4, 5]]}
    for mine, theirs in zip(Session(plan).run(None, feeds), other.run(None, feeds), strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


LISTS = {
    "numbers that would be cut": ("ids", [[1.5, 2], [3, 4]], "holds float64, and the model reads"),
    "a number that does not fit": (
        "ids",
        [[2**70, 2], [3, 4]],
        "holds object, and the model",
    ),
    "rows that are not alike": ("ids", [[1], [3, 4]], "is no array of int64"),
    "texts": ("scale", [["a"]], "holds <U1, and the model reads float32"),
    "a number beyond the type": ("scale", [[1e300, 1, 2]], "is no array of float32: overflow"),
}


@pytest.mark.parametrize(("name", "given", "problem"), LISTS.values(), ids=LISTS.keys())
def test_no_number_of_a_list_becomes_another(
    plan: Plan, name: str, given: Any, problem: str
) -> None:
    feeds: Any = {"ids": [[1, 2], [3, 4]], "scale": [[0.5, 1, 2], [3, 4, 5]]}
    with pytest.raises(FeedError, match=problem) as caught:
        Session(plan).run(None, {**feeds, name: given})
    assert caught.value.where == f"input {name}"


@pytest.mark.parametrize(
    ("shapes", "problem"),
    [
        ([(3, 4), (3, 4), (3, 4)], ""),
        ([(3, 4), (5, 4), (3, 4)], "input b: has n = 5 in its shape 5x4, and a 3"),
        ([(3, 4), (3, 4), (3, 5)], "input c: has shape 3x5; the plan takes nx4"),
        ([(3, 4), (3, 4, 1), (3, 4)], "input b: has shape 3x4x1; the plan takes nx4"),
    ],
)
def test_each_of_several_inputs_that_are_alike_is_looked_at(
    shapes: list[tuple[int, ...]], problem: str
) -> None:
    ports = {name: Port(name, "float32", (2, 4), dims=("n", 4)) for name in "abc"}
    inputs = Inputs(ports, {}, ())
    if not problem:
        inputs.check_dims(shapes)
        return
    with pytest.raises(FeedError) as caught:
        inputs.check_dims(shapes)
    assert problem in str(caught.value)

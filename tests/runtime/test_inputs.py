"""Lists, where onnxruntime takes them, and no number that becomes another."""

from typing import Any

import numpy as np
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.errors import FeedError
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime import Session
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

"""Which tokens count: what is said of them, until they are forgotten."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.compiler.ir.device import StagedSchedule, StageProgram
from stagecut.compiler.ir.errors import FeedError
from stagecut.compiler.ir.schedule import Schedule
from stagecut.runtime.decoding.counted import Counted, counts_from_front

WHOLE: "np.dtype[Any]" = np.dtype(np.int64)
DTYPES = {"input_ids": WHOLE, "attention_mask": WHOLE, "position_ids": WHOLE}
MASK = np.array([[1, 1, 1], [0, 0, 1]])


def _places(counted: Counted, length: int, tokens: int) -> dict[str, list[list[int]]]:
    found = counted.places(DTYPES, length, tokens)
    return {name: array.tolist() for name, array in found.items()}


def test_all_count_until_told_otherwise() -> None:
    assert _places(Counted(1, 9), 2, 2) == {
        "attention_mask": [[1, 1, 1, 1]],
        "position_ids": [[2, 3]],
    }


def test_a_token_stands_behind_those_that_count() -> None:
    counted = Counted(2, 9).told(MASK, 3)
    assert _places(counted, 0, 3)["position_ids"] == [[0, 1, 2], [0, 0, 0]]
    assert _places(counted, 3, 1) == {
        "attention_mask": [[1, 1, 1, 1], [0, 0, 1, 1]],
        "position_ids": [[3], [1]],
    }


def test_what_is_told_changes_no_other() -> None:
    plain = Counted(2, 9)
    told = plain.told(MASK, 3)
    copied = told.copy()
    told.truncate(1)
    assert _places(plain, 2, 1)["attention_mask"] == [[1, 1, 1]] * 2
    assert _places(told, 2, 1)["attention_mask"] == [[1, 1, 1], [0, 1, 1]]
    assert _places(copied, 2, 1)["attention_mask"] == [[1, 1, 1], [0, 0, 1]]


def test_a_mask_of_other_tokens() -> None:
    with pytest.raises(FeedError, match="is 2x3, and there are 4 tokens of 2"):
        Counted(2, 9).told(MASK, 4)


def test_a_mask_of_several_lengths() -> None:
    ragged: Any = [[1, 1, 1], [1]]
    with pytest.raises(FeedError, match="is of several lengths, and there are 3 tokens of 2"):
        Counted(2, 9).told(ragged, 3)


@pytest.mark.parametrize("operator", ["Relu", "GroupQueryAttention"])
def test_an_operator_in_a_branch_counts_from_the_front(operator: str) -> None:
    text = f"""
<ir_version: 10, opset_import: ["": 21, "com.microsoft": 1]>
m (bool b, float[1,4] x) => (float[1,4] y)
{{ y = If(b) <then_branch = one () => (float[1,4] z) {{ z = com.microsoft.{operator}(x) }},
                else_branch = other () => (float[1,4] w) {{ w = Identity(x) }}> }}
"""
    program = StageProgram("main", ir.from_onnx_text(text), (), ())
    staged = StagedSchedule(Schedule((), ()), (program,), ())
    assert counts_from_front(staged) == (operator != "Relu")

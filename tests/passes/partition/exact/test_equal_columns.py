"""Columns that are equal go together, in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stagecut.passes.partition.exact.equal_columns import distinct, group_equal_columns


@given(st.integers(1, 3).flatmap(
    lambda rows: st.lists(st.tuples(*[st.integers(0, 2)] * rows), max_size=12).map(
        lambda columns: np.array(columns, dtype=np.int64).reshape(len(columns), rows).T
    )
))  # fmt: skip
def test_groups(keys: "np.typing.NDArray[np.int64]") -> None:
    expected: dict[tuple[int, ...], list[int]] = {}
    for at, column in enumerate(keys.T.tolist()):
        expected.setdefault(tuple(column), []).append(at)
    found = [group.tolist() for group in group_equal_columns(keys)]
    assert found == [expected[key] for key in sorted(expected)]


@given(st.lists(st.integers(-3, 3)))
def test_distinct(numbers: list[int]) -> None:
    assert distinct(np.array(numbers, dtype=np.int64)).tolist() == sorted(set(numbers))

"""Numbers that a caller hands in."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from stagecut.compiler.ir.numbers import is_amount, is_count, is_whole, whole_numbers

#: Whether it is whole, and whether it is an amount.
CASES: dict[str, tuple[object, bool, bool]] = {
    "a whole number": (3, True, True),
    "of numpy": (np.int8(3), True, True),
    "an array of none": (np.array(3), True, False),
    "larger than any float": (10**400, True, False),
    "a negative one": (-3, True, False),
    "with a fraction": (1.5, False, True),
    "without": (1.0, False, True),
    "of two whole ones": (Fraction(1, 3), False, True),
    "none": (float("nan"), False, False),
    "infinite": (float("inf"), False, False),
    "a truth": (True, False, False),
    "a text": ("3", False, False),
    "nothing": (None, False, False),
    "a list": ([3], False, False),
    "an array": (np.array([3]), False, False),
    "an array of several": (np.array([3, 4]), False, False),
}


@pytest.mark.parametrize(("given", "whole", "amount"), CASES.values(), ids=CASES.keys())
def test_numbers(given: object, whole: bool, amount: bool) -> None:
    assert (is_whole(given), is_amount(given)) == (whole, amount)


@pytest.mark.parametrize(("given", "whole", "_"), CASES.values(), ids=CASES.keys())
def test_a_count_is_whole_and_not_too_small(given: Any, whole: bool, _: bool) -> None:
    assert is_count(given, -3) == whole
    assert not is_count(given, 10**400 + 1)


def test_a_count_begins_at_0_where_nothing_is_said() -> None:
    assert [is_count(number) for number in (-1, 0, 1)] == [False, True, True]


COLLECTIONS: dict[str, tuple[object, list[int] | None]] = {
    "a list": ([3, np.int8(4)], [3, 4]),
    "a set": ({5}, [5]),
    "an array": (np.array([3, 4]), [3, 4]),
    "none": ((), []),
    "a fraction among them": ([3, 1.5], None),
    "rows": ([[3]], None),
    "an array of rows": (np.array([[3]]), None),
    "texts": (["3"], None),
    "a text": ("3", None),
    "bytes": (b"3", None),
    "one number": (3, None),
    "nothing": (None, None),
    "what can be read but once": (iter([3]), None),
}


@pytest.mark.parametrize(("given", "numbers"), COLLECTIONS.values(), ids=COLLECTIONS.keys())
def test_whole_numbers(given: object, numbers: list[int] | None) -> None:
    assert whole_numbers(given) == numbers

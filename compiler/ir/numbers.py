"""What counts as a number that a caller hands in; Python's booleans do not."""

import math
from collections.abc import Collection
from numbers import Real
from operator import index
from typing import Any


def is_whole(given: Any) -> bool:
    """Whether it is a whole number, of Python's or of numpy's."""
    try:
        return not isinstance(given, bool) and index(given) == given
    except (TypeError, ValueError):  # arrays of several compare to several
        return False


def is_count(given: Any, least: int = 0) -> bool:
    """Whether it is a whole number, `least` or more."""
    return is_whole(given) and bool(given >= least)


def whole_numbers(given: object) -> list[int] | None:
    """Those that a collection holds; None where it is none, or holds anything else."""
    if isinstance(given, str | bytes) or not isinstance(given, Collection):
        return None
    numbers = [*given]
    return [int(number) for number in numbers] if all(map(is_whole, numbers)) else None


def is_amount(given: object) -> bool:
    """Whether it is a finite number that is not negative."""
    if isinstance(given, bool) or not isinstance(given, Real):
        return False
    try:
        return 0 <= float(given) < math.inf
    except OverflowError:  # of a whole number
        return False

"""What counts as a number that a caller hands in; Python's booleans do not."""

import math
from numbers import Real
from operator import index
from typing import Any


def is_whole(given: Any) -> bool:
    """Whether it is a whole number, of Python's or of numpy's."""
    try:
        return not isinstance(given, bool) and index(given) == given
    except (TypeError, ValueError):  # arrays of several compare to several
        return False


def is_amount(given: object) -> bool:
    """Whether it is a finite number that is not negative."""
    if isinstance(given, bool) or not isinstance(given, Real):
        return False
    try:
        return 0 <= float(given) < math.inf
    except OverflowError:  # of a whole number
        return False

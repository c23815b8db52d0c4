"""Numbers as plans hold them: of these types, what is read from a file is checked when it is read.

A time or an energy is nought or within what any machine could take, so that sums, products and
ratios of a few of them are numbers, too.
"""

from typing import Annotated, TypeAlias

from annotated_types import Ge, Interval, Predicate

_LEAST = 1e-100

#: The most of anything that adds up, so that all of it, each with its price, can be added.
MOST = 1e100

#: The most bytes of anything: whatever is larger is a slip of the pen, and no machine counts it.
LARGEST_SIZE = 2**63 - 1


def _is_amount(number: float) -> bool:
    return number == 0 or _LEAST <= number <= MOST


def _is_finite(number: float) -> bool:
    return -MOST <= number <= MOST


#: Seconds, joules, rates: not negative, and neither NaN nor infinite.
Amount: TypeAlias = Annotated[float, Predicate(_is_amount)]

#: A number that may be negative.
Finite: TypeAlias = Annotated[float, Predicate(_is_finite)]

#: How many times as much something takes: no less than once.
Factor: TypeAlias = Annotated[float, Interval(ge=1, le=MOST)]

#: Not negative; infinite where there is no number that is large enough.
Distance: TypeAlias = Annotated[float, Ge(0)]

#: Bytes, elements, operations.
Size: TypeAlias = Annotated[int, Interval(ge=0, le=LARGEST_SIZE)]

#: How many there are.
Count: TypeAlias = Annotated[int, Interval(ge=0, le=2**31 - 1)]

#: How many there are, where there is one at least.
Positive: TypeAlias = Annotated[int, Interval(ge=1, le=2**31 - 1)]

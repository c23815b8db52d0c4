"""Numbers of a plan: which are within what any machine could have."""

import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from stagecut.compiler.ir import amounts

KINDS = {
    "amount": (amounts.Amount, [0, 1e-100, 1.5, 1e100], [-1e-9, 5e-324, 1e101, math.nan, math.inf]),
    "finite": (amounts.Finite, [0, -3.5, 1e100], [math.nan, math.inf, -1e101]),
    "distance": (amounts.Distance, [0, 2.0, math.inf], [-1.0, math.nan]),
    "size": (amounts.Size, [0, 2**63 - 1], [-1, 2**63, 0.5]),
    "count": (amounts.Count, [0, 2**31 - 1], [-1, 2**31]),
    "positive": (amounts.Positive, [1, 2], [0, -1]),
}


@pytest.mark.parametrize(("kind", "good", "bad"), KINDS.values(), ids=KINDS.keys())
def test_what_is_one_and_what_is_none(kind: Any, good: list[float], bad: list[float]) -> None:
    adapter: TypeAdapter[float] = TypeAdapter(kind)
    assert [adapter.validate_python(number) for number in good] == good
    for number in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(number)

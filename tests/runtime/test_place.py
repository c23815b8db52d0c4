"""The stage that an error belongs to."""

import pytest

from stagecut.compiler.ir.errors import RangeFault, StageFault, ValueRangeError
from stagecut.runtime.place import Place

PLACE = Place(2, "engine")


@pytest.mark.parametrize(
    ("error", "kind", "problem"),
    [
        (ValueError("no"), StageFault, "failed: no"),
        (ValueRangeError("too large"), RangeFault, "too large"),
    ],
)
def test_an_error_is_a_fault_of_its_stage(
    error: Exception, kind: type[StageFault], problem: str
) -> None:
    fault = PLACE.fault(error)
    assert type(fault) is kind
    assert (fault.stage, fault.device, fault.problem) == (2, "engine", problem)


def test_a_wish_to_stop_is_raised_as_it_is() -> None:
    with pytest.raises(KeyboardInterrupt):
        PLACE.fault(KeyboardInterrupt())

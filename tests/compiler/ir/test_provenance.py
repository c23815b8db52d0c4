"""When something was measured."""

import pytest

from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.provenance import Circumstances


@pytest.mark.parametrize("at_s", [-1.0, float("nan"), float("inf"), 1e300])
def test_a_time_of_day_that_is_none(at_s: float) -> None:
    with pytest.raises(PlanError, match="no time of day"):
        Circumstances("gate", at_s)

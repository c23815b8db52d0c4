"""How a plan runs many inputs: how many replicas and inputs in a call there can be."""

import pytest

from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.planned_stream import PlannedStream


@pytest.mark.parametrize(("replicas", "batch"), [((1024, 1), 1), ((1,), 1025)])
def test_a_stream_that_no_machine_has(replicas: tuple[int, ...], batch: int) -> None:
    with pytest.raises(PlanError, match="the most are 1024 and 1024"):
        PlannedStream(replicas, batch, 0.0, 0.0, "measured")
    assert PlannedStream((1023, 1), 1024, 0.0, 0.0, "measured").batch == 1024

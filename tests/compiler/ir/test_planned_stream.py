"""How a plan runs many inputs: how many replicas and inputs in a call there can be."""

import pytest

from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.planned_stream import PlannedStream


@pytest.mark.parametrize(("replicas", "batch"), [((1024, 1), 1), ((1,), 1025)])
def test_a_stream_that_no_machine_has(replicas: tuple[int, ...], batch: int) -> None:
    with pytest.raises(PlanError, match="the most are 1024 and 1024"):
        PlannedStream(replicas, (batch,) * len(replicas), 0.0, 0.0, "measured")
    assert PlannedStream((1023, 1), (1024, 1), 0.0, 0.0, "measured").batch == 1024


@pytest.mark.parametrize("batches", [(), (1,), (1, 1, 1), (2, 4)])
def test_stages_take_one_input_or_the_same_number(batches: tuple[int, ...]) -> None:
    with pytest.raises(PlanError, match=r"2 stages take .* inputs in a call"):
        PlannedStream((1, 1), batches, 0.0, 0.0, "measured")


@pytest.mark.parametrize(("batches", "mixes"), [((1, 1), False), ((4, 4), False), ((1, 4), True)])
def test_whether_stages_differ(batches: tuple[int, ...], mixes: bool) -> None:
    assert PlannedStream((1, 1), batches, 0.0, 0.0, "measured").mixes == mixes

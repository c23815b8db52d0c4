"""The pace of a device is found by small programs."""

from dataclasses import replace

import pytest

from stagecut.compiler.pace import pace_of
from tests.support.slow import PACE, Slow


def test_the_pace_of_a_device_is_found() -> None:
    found = pace_of(slow := Slow(), slow.clock)
    single = replace(PACE, stage_s=PACE.stage_s + PACE.operator_s)  # a stage has an operator
    assert found.load_s == pytest.approx(single.load_s)
    assert found.stage_s == pytest.approx(single.stage_s)
    assert found.operator_s == pytest.approx(single.operator_s)
    assert found.byte_s == pytest.approx(single.byte_s)
    assert found.start_s == pytest.approx(single.start_s)
    assert found.flop_s == pytest.approx(single.flop_s)

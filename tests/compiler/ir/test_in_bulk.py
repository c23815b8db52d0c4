"""Objects made in bulk are those that the constructor makes."""

from dataclasses import FrozenInstanceError

import pytest

from stagecut.compiler.ir.in_bulk import in_bulk
from stagecut.compiler.ir.schedule import Run, Schedule, Stage


def test_a_column_for_each_field() -> None:
    made = in_bulk(Stage, 2, device=["cpu", "pim"], nodes=iter([("a",), ("b", "c")]))
    assert made == [Stage("cpu", ("a",)), Stage("pim", ("b", "c"))]
    with pytest.raises(FrozenInstanceError):
        made[0].device = "pim"  # type: ignore[misc]


def test_none_at_all() -> None:
    assert in_bulk(Run, 0, stage=[]) == []


def test_a_field_may_not_be_left_out() -> None:
    with pytest.raises(AssertionError, match="Stage cannot be made of device"):
        in_bulk(Stage, 1, device=["cpu"])


def test_what_checks_itself_is_not_made_in_bulk() -> None:
    with pytest.raises(AssertionError, match="Schedule cannot be made of stages, steps"):
        in_bulk(Schedule, 1, stages=[()], steps=[()])

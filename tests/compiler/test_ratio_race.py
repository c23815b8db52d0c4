"""Two that take turns: as many rounds as it takes, and the ratio of each."""

from collections.abc import Sequence
from itertools import cycle

import pytest

from stagecut.compiler.context import Effort, Settings
from stagecut.compiler.ratio_race import ratios_in_turns


def _ratios(
    first_s: Sequence[float], second_s: Sequence[float], effort: Effort = "normal"
) -> tuple[float, ...]:
    """On a clock that stands, so that rounds end by what they tell, or by their number."""
    seconds = cycle(first_s), cycle(second_s)
    settings = Settings(effort=effort, clock=lambda: 0.0)
    turns = (lambda: next(seconds[0])), (lambda: next(seconds[1]))
    return ratios_in_turns(turns, settings, "racing")


@pytest.mark.parametrize("second_s", [0.5, 2.0])
def test_what_is_told_apart_ends_the_race(second_s: float) -> None:
    assert _ratios([1.0], [second_s]) == (second_s,) * 6


def test_what_is_not_told_apart_goes_on() -> None:
    assert _ratios([1.0], [0.5, 2.0]) == (*(0.5, 2.0) * 8, 0.5)


def test_a_machine_that_slows_down_slows_both_down() -> None:
    assert _ratios([1.0, 3.0], [0.5, 1.5]) == (0.5,) * 6


def test_with_little_time_there_are_few_rounds() -> None:
    assert len(_ratios([1.0], [0.5], "quick")) == 3

"""Figures: what they are used for, and draws from between their bounds."""

from typing import get_args

import numpy as np
import pytest

from stagecut.backends.server.figures import Figure, Figures, Use

SG2042 = Figures.of("sg2042")


def test_every_figure_has_a_use_and_a_source() -> None:
    for figure in SG2042.all:
        assert figure.use in get_args(Use)
        assert figure.source.startswith("[")
        assert figure.low <= figure.high
    assert len({figure.name for figure in SG2042.all}) == len(SG2042.all)


def test_what_is_held_out_makes_nothing() -> None:
    names = {figure.name for figure in SG2042.held_out}
    assert any("7-zip" in name for name in names)
    assert any("llama" in name for name in names)
    assert any("pipeline" in name for name in names)
    assert not names & SG2042.values().keys()


@pytest.mark.parametrize(
    ("low", "high", "middle"), [(1, 4, 2), (0, 4, 2), (3, 3, 3)], ids=["ratio", "sum", "known"]
)
def test_the_middle_of_bounds(low: float, high: float, middle: float) -> None:
    assert Figure("f", low, high, "range", "").at(0.5) == pytest.approx(middle)


def test_draws_are_spread_over_all_bounds() -> None:
    draws = SG2042.draws(8, seed=0)
    assert draws[0] == SG2042.values()
    assert draws == SG2042.draws(8, seed=0) != SG2042.draws(8, seed=1)
    for figure in SG2042.uncertain:
        drawn = np.array([values[figure.name] for values in draws[1:]])
        assert drawn.min() >= figure.low
        assert drawn.max() <= figure.high
        marks = [figure.at(part / 8) for part in range(9)]
        assert np.histogram(drawn, marks)[0].tolist() == [1] * 8

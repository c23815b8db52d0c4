"""Regions of a minimum over planes: by eye, and against every plane at many points."""

import math

import numpy as np
import pytest

from stagecut.passes.sweep.regions import Corner, Plane, regions

LOW, HIGH = (1.0, 1.0), (5.0, 5.0)


def _least(planes: list[Plane[str]], corner: Corner) -> Plane[str]:
    return min(planes, key=lambda plane: plane.at(corner))


def test_by_eye() -> None:
    """x costs less than y below the diagonal."""
    planes = [Plane(0.0, 1.0, 0.0, "x"), Plane(0.0, 0.0, 1.0, "y")]
    found = regions(lambda corner: _least(planes, corner), LOW, HIGH)
    cells = {cell.plane.answer: set(cell.corners) for cell in found.cells}
    assert cells == {
        "x": {(1.0, 1.0), (5.0, 5.0), (1.0, 5.0)},
        "y": {(1.0, 1.0), (5.0, 5.0), (5.0, 1.0)},
    }
    assert found.solves == 4


def test_one_answer_everywhere_takes_four_minimisations() -> None:
    found = regions(lambda _: Plane(1.0, 1.0, 1.0, "all"), LOW, HIGH)
    assert [cell.plane.answer for cell in found.cells] == ["all"]
    assert found.solves == 4


@pytest.mark.parametrize(("low", "high"), [((2.0, 1.0), (2.0, 5.0)), ((2.0, 3.0), (2.0, 3.0))])
def test_a_rectangle_without_an_inside(low: Corner, high: Corner) -> None:
    """One speed, or none, is varied: a minimum all the same."""
    planes = [Plane(0.0, 1.0, 0.0, "x"), Plane(0.0, 0.0, 1.0, "y")]
    found = regions(lambda corner: _least(planes, corner), low, high)
    for corner in (low, high):
        least = min(cell.plane.at(corner) for cell in found.cells)
        assert least == _least(planes, corner).at(corner)


@pytest.mark.parametrize("seed", range(40))
def test_every_plane_at_many_points(seed: int) -> None:
    dice = np.random.default_rng(seed)
    planes = [Plane(*map(float, dice.uniform(0, 9, 3)), str(at)) for at in range(30)]
    low, high = (0.001, 0.01), (100.0, 10.0)
    found = regions(lambda corner: _least(planes, corner), low, high)
    for _ in range(200):
        x, y = np.exp(dice.uniform(np.log(low), np.log(high)))
        least = min(cell.plane.at((x, y)) for cell in found.cells)
        assert least == pytest.approx(_least(planes, (x, y)).at((x, y)), rel=1e-8)
    area = sum(map(_area, (cell.corners for cell in found.cells)))
    assert area == pytest.approx((high[0] - low[0]) * (high[1] - low[1]))


def _area(corners: tuple[Corner, ...]) -> float:
    turned = [*corners[1:], corners[0]]
    return abs(
        math.fsum(
            x * other_y - other_x * y
            for (x, y), (other_x, other_y) in zip(corners, turned, strict=True)
        )
        / 2
    )

"""A mixed-integer program, written row by row."""

import math

import pytest

from stagecut.passes.partition.milp.solver import IntegerProgram


def test_the_cheapest_point() -> None:
    """x + 2 y, of which both must come to 1.5 at the least."""
    program = IntegerProgram()
    x, y = program.variable(1.0, whole=True), program.variable(2.0)
    program.at_least(1.5, {x: 1.0, y: 1.0})
    found = program.solve(10.0)
    assert found.solved
    assert found.point is not None
    assert found.point.tolist() == pytest.approx([1.0, 0.5])
    assert found.bound == pytest.approx(2.0)


def test_whole_variables_are_whole() -> None:
    program = IntegerProgram()
    x, y = program.variable(1.0), program.variable(2.0, whole=True)
    program.at_least(1.5, {x: 1.0, y: 1.0})
    found = program.solve(10.0)
    assert found.point is not None
    assert found.point.tolist() == pytest.approx([0.5, 1.0])
    assert found.bound == pytest.approx(2.5)


def test_what_cannot_be() -> None:
    program = IntegerProgram()
    x = program.variable(1.0)
    program.at_least(2.0, {x: 1.0})
    found = program.solve(10.0)
    assert (found.point, found.bound, found.solved) == (None, math.inf, True)


@pytest.mark.parametrize("price", [1e-302, 1e-12, 1.0, 1e12])
def test_the_scale_of_prices_does_not_matter(price: float) -> None:
    program = IntegerProgram()
    some = [program.variable(price * (3 + at), whole=True) for at in range(3)]
    program.at_least(2.0, dict.fromkeys(some, 1.0))
    found = program.solve(10.0)
    assert found.point is not None
    assert found.point.tolist() == pytest.approx([1.0, 1.0, 0.0])
    assert found.bound == pytest.approx(7 * price) or price < 1e-300


def test_nothing_to_decide() -> None:
    assert IntegerProgram().solve(1.0).bound == 0.0
    free = IntegerProgram()
    free.variable(3.0)
    found = free.solve(1.0)
    assert found.point is not None
    assert (found.point.tolist(), found.bound) == ([0.0], 0.0)

"""Solve under a budget of errors, measure, and solve again under a tighter one where the sum of
squares was too low.

    limit            e²      plan A is measured off by 1.2 e
    limit  0.9 e² / 1.2²     plan B is measured off by 0.97 e: it is what was asked for
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from stagecut.compiler.ir.precision import Attempt

#: So often it is solved again.
_MOST = 3

#: What is left of the budget, to be sure.
_MARGIN = 0.9

Solved = TypeVar("Solved")


@dataclass(frozen=True, slots=True)
class Tightened(Generic[Solved]):
    """The last solution, and what was predicted and measured of each."""

    solved: Solved
    attempts: tuple[Attempt, ...]


def tighten(
    most: float,
    solve: Callable[[float], Solved],
    predicted: Callable[[Solved], float],
    measure: Callable[[Solved], float | None],
) -> Tightened[Solved]:
    """`most` is the largest relative error. `solve` is given a limit for the sum of squares,
    `predicted` and `measure` tell the relative error; None where there is nothing to measure."""
    limit = most**2
    attempts: list[Attempt] = []
    while True:
        solved = solve(limit)
        off = measure(solved)
        attempts.append(Attempt(limit, predicted(solved), off))
        if off is None or off <= most or len(attempts) > _MOST:
            return Tightened(solved, tuple(attempts))
        limit *= _MARGIN * (most / off) ** 2

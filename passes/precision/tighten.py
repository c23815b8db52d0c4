"""Solve under a budget of errors, measure, and solve again under a tighter one where the sum of
squares was too low.

    limit            e²      plan A is measured off by 1.2 e, where e was predicted
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
    limit: float,
    solve: Callable[[float], Solved],
    predicted: Callable[[Solved], float],
    measure: Callable[[Solved], float | None],
) -> Tightened[Solved]:
    """`most` is what may be measured at the most: the relative error, or what a metric loses by it,
    which is taken to grow with it. `solve` is given a limit for the sum of squares, `limit` first;
    `predicted` tells the relative error, `measure` is None where there is nothing to measure."""
    attempts: list[Attempt] = []
    while True:
        solved = solve(limit)
        off = measure(solved)
        attempts.append(Attempt(limit, predicted(solved), off))
        if off is None or off <= most or len(attempts) > _MOST:
            return Tightened(solved, tuple(attempts))
        limit = _MARGIN * (most / off) ** 2 * min(limit, attempts[-1].predicted ** 2)

"""Solve under a budget of errors, measure, and solve again with what was seen: under a tighter one
where the sum of squares was too low, under a looser one where it was much too high.

    limit            e²      plan A is measured off by 1.2 e, where e was predicted
    limit  0.9 e² / 1.2²     plan B is measured off by 0.97 e: it is what was asked for

    limit            e²      plan A is measured off by 0.5 e, where e was predicted
    limit  0.9 e² / 0.5²     plan B is measured off by 0.95 e, and is faster
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from stagecut.compiler.ir.precision import Attempt

#: So often it is solved again.
_MOST = 3

#: What is left of the budget, to be sure.
_MARGIN = 0.9

#: Only a limit that is so many times looser is worth another plan.
_LOOSER = 1.5

Solved = TypeVar("Solved")


@dataclass(frozen=True, slots=True)
class Tightened(Generic[Solved]):
    """The solution under the loosest limit that was kept to, or where none was, the last; and what
    was predicted and measured of each. `limit` is that of the solution, None without a budget."""

    solved: Solved
    attempts: tuple[Attempt, ...]
    limit: float | None = None


def tighten(
    most: float,
    limit: float,
    solve: Callable[[float], Solved],
    used: Callable[[Solved], float],
    predicted: Callable[[Solved], float],
    measure: Callable[[Solved], float | None],
) -> Tightened[Solved]:
    """`most` is what may be measured at the most: the relative error, or what a metric loses by it,
    which is taken to grow with it. `solve` is given a limit for the sum of squares, `limit` first;
    `used` tells what that sum is, `predicted` the relative error, `measure` is None where there is
    nothing to measure."""
    attempts: list[Attempt] = []
    kept: tuple[Solved, float] | None = None
    missed = False
    while True:
        solved = solve(limit)
        off = measure(solved)
        attempts.append(Attempt(limit, predicted(solved), off))
        if off is None or off <= most:
            kept = solved, limit
        else:
            missed = True
        other = _other(most, attempts[-1], used(solved))
        looser = not missed and other > _LOOSER * limit
        tighter = kept is None
        if len(attempts) > _MOST or not (looser or tighter):
            best, its_limit = kept or (solved, limit)
            return Tightened(best, tuple(attempts), its_limit)
        limit = other


def _other(most: float, seen: Attempt, used: float) -> float:
    """The limit under which what was seen would be what may be; the same where nothing was."""
    if not seen.measured:
        return seen.limit
    return _MARGIN * (most / seen.measured) ** 2 * min(seen.limit, used)

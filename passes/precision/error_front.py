"""The front of time against error: the fastest schedule of all, then the fastest that is half as
far off, and so on down to the least error that can be had.

    time |  x                 limit on the sum of squares   none
         |     x                                            a quarter of what the first came to
         |         x                                        ...
         +------------ error
"""

from collections.abc import Callable, Iterator

from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.solution import Solution

#: What is left of the sum of squares from one schedule to the next: half the error.
_PART = 0.25


def error_front(
    solve: Callable[[float | None], Solution], squared: Callable[[Solution], float], most: int
) -> Iterator[Solution]:
    """At most `most` of them, the fastest first; each is less far off than the one before, by the
    errors of single nodes. `solve` is given a limit for the sum of squares, None for none, and
    raises UnplaceableError where no schedule keeps it; `squared` tells what that sum is."""
    limit: float | None = None
    for _ in range(most):
        try:
            solution = solve(limit)
        except UnplaceableError:
            return
        yield solution
        left = squared(solution)
        if not left:
            return
        limit = _PART * left

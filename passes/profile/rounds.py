"""Repeated timing: turns in rounds until a time budget is spent; medians and their spread.

    round 1   A a a a   B b b b   C c c c        capitals warm up and do not count
    round 2   A a a a   B b b b   C c c c

Whatever ran before has left its own weights in the caches and its own threads awake, and a plan in
use finds its own there: so each turn begins with a run that does not count.
"""

import statistics
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.costs import Spread
from stagecut.compiler.ir.device import Progress


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often to repeat: at least `least` times, then until `budget_s` is spent or `most`.

    A turn is `warm_up` runs that do not count, then `counted` ones that do.
    """

    least: int = 3
    most: int = 12
    budget_s: float = 5.0
    warm_up: int = 1
    counted: int = 2


def median_and_spread(samples: Sequence[float]) -> tuple[float, Spread]:
    """The median of at least one sample, and how far the samples lie apart."""
    ordered = sorted(samples)
    quarter = len(ordered) // 4
    spread = Spread(len(ordered), ordered[0], ordered[quarter], ordered[-1 - quarter])
    return statistics.median(ordered), spread


def interleave(
    tasks: Sequence[Callable[[bool], None]],
    rounds: Rounds,
    clock: Callable[[], float],
    progress: Progress,
    label: str,
    enough: Callable[[], bool] = lambda: False,
    left: Callable[[], Collection[int]] | None = None,
) -> int:
    """Give every task its turn in each round, and return how often each ran so that it counted.

    A task is told whether it counts. `enough` is asked after every round from the least number on,
    and ends it. `left`, asked after every round, names the tasks that take part in the next.
    """
    turn = [False] * rounds.warm_up + [True] * rounds.counted
    done = 0
    for done in progress(_rounds(rounds, clock, enough), label, rounds.most):
        racing = range(len(tasks)) if left is None or done == 1 else left()
        for number in racing:
            for counts in turn:
                tasks[number](counts)
    return done * rounds.counted


def _rounds(
    rounds: Rounds, clock: Callable[[], float], enough: Callable[[], bool]
) -> Iterator[int]:
    start_s = clock()
    for number in range(1, rounds.most + 1):
        if number > rounds.least and (clock() - start_s >= rounds.budget_s or enough()):
            return
        yield number

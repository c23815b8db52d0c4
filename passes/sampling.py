"""Repeated timing: interleaved rounds until a time budget is spent; medians and their spread."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stagecut.compiler.costs import Spread
from stagecut.compiler.progress import Progress


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often to repeat: at least `least` times, then until `budget_s` is spent or `most`."""

    least: int = 5
    most: int = 25
    budget_s: float = 5.0


def median_and_spread(samples: Sequence[float]) -> tuple[float, Spread]:
    """The median of at least one sample, and how far the samples lie apart."""
    ordered = sorted(samples)
    quarter = len(ordered) // 4
    spread = Spread(len(ordered), ordered[0], ordered[quarter], ordered[-1 - quarter])
    return statistics.median(ordered), spread


def interleave(
    tasks: Sequence[Callable[[], None]],
    rounds: Rounds,
    clock: Callable[[], float],
    progress: Progress,
    label: str,
    enough: Callable[[], bool] = lambda: False,
) -> int:
    """Call every task once a round, in turn, and return how many rounds there were.

    `enough` is asked after every round from the least number on, and ends it.
    """
    done = 0
    for done in progress(_rounds(rounds, clock, enough), label, rounds.most):  # noqa: B007
        for task in tasks:
            task()
    return done


def _rounds(
    rounds: Rounds, clock: Callable[[], float], enough: Callable[[], bool]
) -> Iterator[int]:
    start_s = clock()
    for number in range(1, rounds.most + 1):
        if number > rounds.least and (clock() - start_s >= rounds.budget_s or enough()):
            return
        yield number

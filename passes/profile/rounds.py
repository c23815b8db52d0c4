"""Repeated timing: turns in rounds until a time budget is spent; medians and their spread.

    round 1   A a a a   B b b b   C c c c        capitals warm up and do not count
    round 2   A a a a   B b b b   C c c c

Whatever ran before has left its own weights in the caches and its own threads awake, and a plan in
use finds its own there: so each turn begins with a run that does not count. Long runs are not
changed by what takes them some milliseconds: they count from the first, and one is a turn.

    round 1   a   b   c
    round 2   a   b   c
"""

import statistics
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.costs import Spread
from stagecut.compiler.ir.device import Progress

#: A run is long that takes as many seconds.
LONG_S = 0.1

#: Rounds go on, whatever time they take, until each task has as many counted runs as this times the
#: least number of rounds.
_RUNS_A_ROUND = 2

#: Of so many samples the mean would be the median.
_FEW = 2


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

    def turn(self, took_s: float) -> Sequence[bool]:
        """Which runs of a turn count; `took_s` is what the last one took."""
        if took_s >= LONG_S:
            return [True]
        return [*[False] * self.warm_up, *[True] * self.counted]

    @property
    def least_runs(self) -> int:
        """Of each task that takes part to the end."""
        return self.least * min(_RUNS_A_ROUND, self.counted)


def median_and_spread(samples: Sequence[float]) -> tuple[float, Spread]:
    """The median of at least one sample, of two the shorter, as what disturbs a run makes it
    longer; and how far the samples lie apart."""
    ordered = sorted(samples)
    quarter = len(ordered) // 4
    spread = Spread(len(ordered), ordered[0], ordered[quarter], ordered[-1 - quarter])
    return ordered[0] if len(ordered) == _FEW else statistics.median(ordered), spread


def interleave(
    tasks: Sequence[Callable[[bool], None]],
    rounds: Rounds,
    clock: Callable[[], float],
    progress: Progress,
    label: str,
    enough: Callable[[], bool] = lambda: False,
    left: Callable[[], Collection[int]] | None = None,
    took_s: Sequence[float] = (),
    before: Callable[[int], None] = lambda _: None,
) -> Sequence[int]:
    """Give every task its turn in each round, and return how often each ran so that it counted.

    A task is told whether it counts. `enough` is asked after every round from the least number on,
    and ends it. `left`, asked after every round, names the tasks that take part in the next.
    `took_s` is what a run of each took before, where that is known. `before` is called with a
    task's number ahead of each of its runs, of whose time it is no part.
    """
    last_s = [*took_s] or [0.0] * len(tasks)
    runs = [0] * len(tasks)
    racing: Collection[int] = range(len(tasks))

    def few() -> bool:
        return min((runs[number] for number in racing), default=0) < rounds.least_runs

    for done in progress(_rounds(rounds, clock, few, enough), label, rounds.most):
        if left is not None and done > 1:
            racing = left()
        for number in racing:
            for counts in rounds.turn(last_s[number]):
                before(number)
                start_s = clock()
                tasks[number](counts)
                last_s[number] = clock() - start_s
                runs[number] += counts
    return runs


def _rounds(
    rounds: Rounds, clock: Callable[[], float], few: Callable[[], bool], enough: Callable[[], bool]
) -> Iterator[int]:
    start_s = clock()
    for number in range(1, rounds.most + 1):
        fair = number > rounds.least and not few()
        if fair and (clock() - start_s >= rounds.budget_s or enough()):
            return
        yield number

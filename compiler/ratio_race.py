"""Two that take turns: what counts is the ratio of each round.

    round 1   a 0.30 s   b 0.29 s   ratio 0.97
    round 2   a 0.35 s   b 0.34 s   ratio 0.97     the machine has become slower, for both

The clock of a machine changes, and other work comes and goes, by more than what is to be told here.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import geometric_mean, median

from stagecut.compiler.context import Settings
from stagecut.compiler.effort import STREAM_ROUNDS
from stagecut.passes.gate.noise import median_interval
from stagecut.passes.profile.rounds import Rounds, interleave

#: From so many rounds on, an interval that lies on one side of 1 ends the race.
LEAST_TOLD = 6

#: Where that does not come about, there are as many rounds, which take this times as long as those
#: of other streams.
_MOST_ROUNDS, _LONGER = 17, 2


def ratios_in_turns(
    turns: tuple[Callable[[], float], Callable[[], float]], settings: Settings, label: str
) -> tuple[float, ...]:
    """Of each round, the second's seconds over the first's."""
    seen_s: tuple[list[float], list[float]] = ([], [])

    def turn(at: int) -> None:
        seen_s[at].append(turns[at]())

    tasks = [lambda _: turn(0), lambda _: turn(1)]
    rounds = _rounds(STREAM_ROUNDS[settings.effort])
    interleave(
        tasks, rounds, settings.clock, settings.progress, label, lambda: _is_told(_ratios(seen_s))
    )
    return _ratios(seen_s)


def at_worst(ratios: Sequence[float]) -> float:
    """What the second takes of the first's time: the median, or the average where it is more."""
    return max(median(ratios), geometric_mean(ratios))


def _rounds(rounds: Rounds) -> Rounds:
    """As many as it takes, where there is time for more than a few."""
    once = replace(rounds, warm_up=0, counted=1)
    if once.most < LEAST_TOLD:
        return once
    return replace(once, most=_MOST_ROUNDS, budget_s=_LONGER * once.budget_s)


def _is_told(ratios: Sequence[float]) -> bool:
    if len(ratios) < LEAST_TOLD:
        return False
    interval = median_interval(ratios)
    return interval.high < 1 or interval.low > 1


def _ratios(seen_s: tuple[Sequence[float], Sequence[float]]) -> tuple[float, ...]:
    return tuple(second_s / first_s for first_s, second_s in zip(*seen_s, strict=True))

"""Inputs at a given rate, whatever becomes of them: an open loop.

    intended     0    5   10   15   20   25  ms     (200 inputs a second)
    begun        0    5   10        20 25           the third one's room came late
    done           3    8       21   24   27        what it took counts from its intended start

Whoever waits with the next input until there is room, and counts from then on, leaves out the very
waiting that a user would have had (coordinated omission). An input whose time had come and that was
never begun counts with what it has waited up to the end.
"""

from array import array
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, NamedTuple

from stagecut.runtime.stream.statistics import percentiles

#: It is looked at what goes on about so often.
_TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """Of the `intended` inputs so many were `begun`, and of these so many `failed`, the first with
    `error`; `elapsed_s` is until the last was done, and no less than was asked for: the wait behind
    an input belongs to the rate. `p50_s` and `p99_s` count from the intended starts."""

    intended: int
    begun: int
    failed: int
    error: BaseException | None
    elapsed_s: float
    p50_s: float
    p99_s: float

    @property
    def outputs_per_s(self) -> float:
        return (self.begun - self.failed) / self.elapsed_s if self.elapsed_s else 0.0


class _Ending(NamedTuple):
    due_s: float
    done_s: float
    error: BaseException | None


class _Tally:
    """What the endings come to, of which it keeps no more than it has to."""

    def __init__(self) -> None:
        self.waited_s = array("d")
        self.failed = 0
        self.error: BaseException | None = None
        self.end_s = 0.0

    def add(self, ending: _Ending) -> None:
        self.waited_s.append(ending.done_s - ending.due_s)
        self.end_s = max(self.end_s, ending.done_s)
        self.failed += ending.error is not None
        self.error = self.error or ending.error


def open_loop(
    submit: Callable[[], "Future[Any]"],
    *,
    rate: float,
    seconds: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    watch: Callable[[], None],
) -> OpenLoad:
    """Call `submit`, which may wait for room, at even distances, `rate` times a second, and wait
    for all that it began. `watch` is called again and again meanwhile."""
    endings: SimpleQueue[_Ending] = SimpleQueue()
    tally = _Tally()
    intended = max(1, round(rate * seconds))
    start_s = clock()
    begun = 0
    while begun < intended and clock() <= start_s + seconds:
        due_s = start_s + begun / rate
        while (now_s := clock()) < due_s:
            sleep(min(due_s - now_s, _TICK_S))
            watch()
        submit().add_done_callback(_noting(endings, due_s, clock))
        begun += 1
        for _ in range(endings.qsize()):
            tally.add(endings.get())
        watch()
    while len(tally.waited_s) < begun:
        tally.add(endings.get())
    never = (tally.end_s - (start_s + index / rate) for index in range(begun, intended))
    p50_s, p99_s = percentiles(array("d", (*tally.waited_s, *never)))
    elapsed_s = max(tally.end_s - start_s, seconds)
    return OpenLoad(intended, begun, tally.failed, tally.error, elapsed_s, p50_s, p99_s)


def _noting(
    endings: "SimpleQueue[_Ending]", due_s: float, clock: Callable[[], float]
) -> "Callable[[Future[Any]], None]":
    return lambda future: endings.put(_Ending(due_s, clock(), future.exception()))

"""Long searches on standard error: how they stand, and Ctrl-C, which need not lose the answer."""

import math
import signal
from collections.abc import Callable
from time import monotonic
from types import FrameType, TracebackType
from typing import Self

import typer

from stagecut.compiler.cli.output import LINE_EVERY_S, note
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.objective import LATENCY, Objective, parse_objective
from stagecut.compiler.ir.standing import Standing

#: What a command ends with that was interrupted, and has an answer nevertheless.
INTERRUPTED = 130


class Searching:
    """The best answer so far and its bound, in a line every few seconds of a search.

    Within `with`, the first Ctrl-C ends the search with the best answer so far, where there is one.
    """

    def __init__(self, objective: Objective, clock: Callable[[], float] = monotonic) -> None:
        self._text = objective.text
        self._clock = clock
        self._told_s = clock()
        self._left_s = 0.0
        self._has_answer = False
        self._before = signal.getsignal(signal.SIGINT)
        self.is_stopped = False

    def __call__(self, standing: Standing) -> bool:
        """Whether it goes on."""
        self._has_answer = not math.isinf(standing.total)
        if standing.left_s > self._left_s:  # another search begins
            self._told_s = self._clock()
        self._left_s = standing.left_s
        if self._clock() - self._told_s >= LINE_EVERY_S:
            self._told_s = self._clock()
            note(f"searching: {self._best(standing)}; {standing.left_s:.0f} s left")
        return not self.is_stopped

    def exit_if_stopped(self) -> None:
        """To be called when the answer has been printed."""
        if self.is_stopped:
            raise typer.Exit(INTERRUPTED)

    def _best(self, standing: Standing) -> str:
        if math.isinf(standing.total):
            return "nothing found yet"
        at_least = f"no schedule costs less than {self._text(standing.bound)}"
        return f"the best so far is {self._text(standing.total)}, and {at_least}"

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, self._before)
        if self._has_answer:
            self.is_stopped = True
            note("stopping: the best answer so far follows; Ctrl-C again ends it without")
        elif callable(self._before):
            self._before(number, frame)


def watching(objective: str) -> Searching:
    """For a compile: what it searches for within streams and answers are latencies."""
    try:
        return Searching(parse_objective(objective))
    except UsageError:
        return Searching(LATENCY)

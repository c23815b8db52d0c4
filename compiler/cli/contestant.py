"""A rival in a process of its own: what it takes is its own, and so is its memory.

parent                                child
the rival                        >
                                      make it, run a few inputs
                                 <    nothing, or why it does not run
so many seconds                  >
                                      a turn
                                 <    what was measured, or why it does not run
ends the connection              >    ends
"""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from stagecut.compiler.cli.rivals import One, Rival, Ways
from stagecut.compiler.ir.errors import told
from stagecut.compiler.measure.memory import Resident, resident

#: So long a process may take to end: torch.compile has processes of its own, which leave things
#: behind, and complain of them, where theirs is killed.
_END_S = 5.0

#: The part of a turn that the first inputs may take, which are not counted.
_FIRST = 0.25


@dataclass(frozen=True, slots=True)
class Turn:
    """What single inputs took, one after the other; how many a second came out with many at once,
    by each way of running them; and the memory of the process at the end."""

    latencies_s: tuple[float, ...]
    inputs_per_s: Mapping[str, float]
    memory: Resident


class Contestant:
    """`failure` is why it does not run the model, once that is so; it has no turns then."""

    def __init__(self, rival: Rival, seconds: float) -> None:
        """`seconds` is how long a turn runs one input at a time, and then many at once, in all ways
        that there are of that together."""
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, rival, seconds), daemon=True)
        self.name = rival.name
        self.failure = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._connection.close()  # upon which it ends
        if self._process.pid is None:
            return
        if kind is None:  # else nobody waits for it
            self._process.join(_END_S)
        self._process.kill()
        self._process.join()

    def begin(self) -> None:
        """Make it ready, in its process."""
        self._process.start()
        self._answer()

    def turn(self) -> Turn | None:
        """None where it does not run the model."""
        if self.failure:
            return None
        self._connection.send(None)
        return self._answer()

    def _answer(self) -> Turn | None:
        while not self._connection.poll(0.2):
            if not self._process.is_alive() and not self._connection.poll():
                self.failure = f"its process ended with {self._process.exitcode}"
                return None
        try:
            answer: Turn | str | None = self._connection.recv()
        except EOFError:
            self._process.join()
            answer = f"its process ended with {self._process.exitcode}"
        if isinstance(answer, str):
            self.failure = answer
            return None
        return answer


def _serve(connection: Connection, rival: Rival, seconds: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is left to the parent
    os.dup2(2, 1)  # what engines print, whoever started this
    try:
        one, ways = rival.make()
        one()  # in their first calls engines allocate memory
        _rates(ways, seconds * _FIRST)
        connection.send(None)
        while True:
            connection.recv()
            connection.send(_turn(one, ways, seconds))
    except EOFError:  # the parent wants no more
        pass
    except Exception as error:  # engines raise what they like
        connection.send((told(error).splitlines() or [type(error).__name__])[0])


def _turn(one: One, ways: Ways, seconds: float) -> Turn:
    one()  # the others had the caches
    latencies_s: list[float] = []
    end_s = time.perf_counter() + seconds
    while (start_s := time.perf_counter()) < end_s or not latencies_s:
        one()
        latencies_s.append(time.perf_counter() - start_s)
    return Turn(tuple(latencies_s), _rates(ways, seconds), resident())


def _rates(ways: Ways, seconds: float) -> dict[str, float]:
    counted = {name: many(seconds / len(ways)) for name, many in ways.items()}
    return {name: count / elapsed_s for name, (count, elapsed_s) in counted.items()}

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

import signal
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from stagecut.compiler.cli.rivals import Many, One, Rival
from stagecut.compiler.ir.errors import told
from stagecut.compiler.measure.memory import Resident, resident

#: The part of a turn that the first inputs may take, which are not counted.
_FIRST = 0.25


@dataclass(frozen=True, slots=True)
class Turn:
    """What single inputs took, one after the other; how many a second came out with many at once;
    and the memory of the process at the end."""

    latencies_s: tuple[float, ...]
    inputs_per_s: float
    memory: Resident


class Contestant:
    """`failure` is why it does not run the model, once that is so; it has no turns then."""

    def __init__(self, rival: Rival, seconds: float) -> None:
        """`seconds` is how long a turn runs one input at a time, and then many at once."""
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
        self._connection.close()
        if self._process.pid is not None:
            self._process.kill()  # nothing of it is needed, and engines may take their time
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
    try:
        one, many = rival.make()
        one()  # in their first calls engines allocate memory
        many(seconds * _FIRST)
        connection.send(None)
        while True:
            connection.recv()
            connection.send(_turn(one, many, seconds))
    except EOFError:  # the parent wants no more
        pass
    except Exception as error:  # engines raise what they like
        connection.send((told(error).splitlines() or [type(error).__name__])[0])


def _turn(one: One, many: Many, seconds: float) -> Turn:
    one()  # the others had the caches
    latencies_s: list[float] = []
    end_s = time.perf_counter() + seconds
    while (start_s := time.perf_counter()) < end_s or not latencies_s:
        one()
        latencies_s.append(time.perf_counter() - start_s)
    count, elapsed_s = many(seconds)
    return Turn(tuple(latencies_s), count / elapsed_s, resident())

"""Who takes turns: keeps itself full for a while, and tells what it finished and when."""

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stagecut.runtime.stream.full import whole_rounds


@dataclass(frozen=True)
class Span:
    """A turn lasts so long, and until every caller has finished so many calls."""

    seconds: float
    calls: int


TURN, WARM_UP = Span(1.0, 3), Span(0.2, 1)

#: The times at which outputs were there, and how many inputs each of them stood for.
Finished = list[tuple[float, int]]


@dataclass
class Rival:
    """Keeps itself full for a turn, and tells what it finished and when; `callers` calls at a time
    are in flight. Of the plan, `period_s` is predicted, and `gate_s` what the compile observed.
    Inputs per second of each turn are in `heats` and in `final`."""

    name: str
    turn: Callable[[Span], Finished]
    callers: int = 1
    period_s: float | None = None
    gate_s: float | None = None
    heats: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)

    def warm_up(self) -> None:
        self.turn(WARM_UP)

    def take_turn(self) -> float:
        """Inputs per second. Whole rounds count, in which each caller finishes a call: callers that
        began together may end together, and who ended between them would count one too few."""
        finished = sorted(self.turn(TURN))
        rounds = whole_rounds([time_s for time_s, _ in finished], self.callers)
        counted = finished[self.callers : self.callers + rounds.inputs]
        return sum(inputs for _, inputs in counted) / rounds.wall_s

    @property
    def in_heats(self) -> float:
        return statistics.median(self.heats)

    @property
    def median(self) -> float:
        return statistics.median(self.heats + self.final)


def callers(calls: Sequence[Callable[[], object]], inputs: int = 1) -> Callable[[Span], Finished]:
    """A turn of so many threads, each of which calls without end."""

    def turn(span: Span) -> Finished:
        finished: list[Finished] = [[] for _ in calls]
        end_s = time.perf_counter() + span.seconds

        def work(number: int) -> None:
            mine = finished[number]
            while time.perf_counter() < end_s or len(mine) < span.calls:
                calls[number]()
                mine.append((time.perf_counter(), inputs))

        threads = [threading.Thread(target=work, args=(at,)) for at in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        last_s = min(each[-1][0] for each in finished)  # until then, all were at work
        return [pair for each in finished for pair in each if pair[0] <= last_s]

    return turn

"""When each host of a plan ran what in a stream, by the clock of this one.

    submitted 10.0     begun 110.3, ended 112.0 by theirs     answered 12.5

Nobody compares clocks, but a host begins with nothing before it was submitted, and nothing is
answered before it has ended: theirs is 99.5 to 100.3 ahead. All calls of a host together leave
little between the two, and the middle of that is taken.

    host-2, 10.77.0.2, replica 0    [ 1 input ][ 1 input ][ 1 input ]
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.stream_trace import Call, StreamTrace

#: So many calls are kept of all hosts.
_LATEST = 4096


@dataclass(frozen=True, slots=True)
class Stay:
    """Of an input on a host, which is called `name`, with an `address`, empty for this one.
    `begun_s` and `ended_s` are by that host's clock, the others by ours."""

    name: str
    address: str
    submitted_s: float
    begun_s: float
    ended_s: float
    answered_s: float

    @property
    def track(self) -> str:
        return ", ".join(filter(None, (self.name, self.address)))


class Timeline:
    """The latest stays; safe to use from several threads at once."""

    def __init__(self) -> None:
        self._stays: deque[Stay] = deque(maxlen=_LATEST)
        self._lock = threading.Lock()

    def note(self, stays: Iterable[Stay]) -> None:
        with self._lock:
            self._stays += stays

    def trace(self) -> StreamTrace:
        """A stage for each host; a replica of it for each that it was running at a time."""
        with self._lock:
            stays = [*self._stays]
        tracks = tuple(sorted({stay.track for stay in stays}))
        calls = [
            call
            for number, track in enumerate(tracks)
            for call in _calls(number, [stay for stay in stays if stay.track == track])
        ]
        return StreamTrace(tracks, tuple(sorted(calls, key=lambda call: call.end_s)))


def _calls(number: int, stays: Sequence[Stay]) -> Iterator[Call]:
    """Each in the first replica that is free then."""
    ahead_s = _ahead_s(stays)
    free_s: list[float] = []
    for stay in sorted(stays, key=lambda each: each.begun_s):
        at = next((at for at, end_s in enumerate(free_s) if end_s <= stay.begun_s), len(free_s))
        free_s[at : at + 1] = [stay.ended_s]
        yield Call(number, at, 1, stay.begun_s - ahead_s, stay.ended_s - ahead_s)


def _ahead_s(stays: Sequence[Stay]) -> float:
    """By how much the clock of their host is ahead of ours."""
    if not stays[0].address:
        return 0.0
    least_s = max(stay.ended_s - stay.answered_s for stay in stays)
    most_s = min(stay.begun_s - stay.submitted_s for stay in stays)
    return (least_s + most_s) / 2

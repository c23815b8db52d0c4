"""Who runs what next in a stream: queues, replicas, batches, and how many inputs are in flight.

Two stages of one and two replicas, four inputs in flight at most, batches of one:

    lobby       queue     stage 0       queue     stage 1
    6 5     >   4     >   [ 3 ]     >         >   [ 1 ] [ 2 ]    >    0 has left
                |------------- in flight -----------------|

It has no thread and no clock and never waits, so that the runtime can drive it under a lock as
things happen, and a simulator as they would happen:

    scheduler.arrive(number, shapes)        # or scheduler.end(start), when a call is over
    scheduler.admit()                       # whoever waits in the lobby and now has room
    for start in scheduler.begin():
        ...                                 # that replica now runs start.inputs
"""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

Input = TypeVar("Input", bound=Hashable)


class Start(NamedTuple, Generic[Input]):
    """A replica that was idle begins a call with these inputs, the first to arrive first; a tuple,
    as one is made for each."""

    stage: int
    replica: int
    inputs: tuple[Input, ...]


class Scheduler(Generic[Input]):
    """Inputs are known by anything that can be hashed, each but once at a time.

    No replica is idle while there is something for it to do. The first stage takes the oldest input
    and what else there is of its kind, up to `batch`, or with `full` as many as that or no other;
    they stay together from then on. Of several idle replicas the first one begins.
    """

    def __init__(
        self, replicas: Sequence[int], *, batch: int, limit: int, full: bool = False
    ) -> None:
        if not replicas or min(*replicas, batch, limit) < 1:
            raise AssertionError((replicas, batch, limit))
        self.limit = limit
        self._batch = batch
        self._full = full
        self._idle = [list(range(count)) for count in replicas]  # heaps
        self._lobby: OrderedDict[Input, Hashable] = OrderedDict()  # with their kinds
        self._first: OrderedDict[Input, Hashable] = OrderedDict()
        self._later: list[deque[tuple[Input, ...]]] = [deque() for _ in replicas[1:]]
        self._in_flight = 0

    @property
    def has_room(self) -> bool:
        """Whether an input that arrived now would be admitted at once."""
        return self._in_flight + len(self._lobby) < self.limit

    @property
    def is_empty(self) -> bool:
        return not self._in_flight and not self._lobby

    @property
    def depths(self) -> tuple[int, ...]:
        """How many inputs wait before each stage, those in the lobby left out."""
        return (len(self._first), *(sum(map(len, queue)) for queue in self._later))

    def arrive(self, new: Input, kind: Hashable) -> None:
        """`new` is in the lobby. Only inputs of one kind are run in one call."""
        self._lobby[new] = kind

    def admit(self) -> list[Input]:
        """Those that leave the lobby, as not more than `limit` are in flight with them."""
        admitted = []
        while self._lobby and self._in_flight < self.limit:
            one, kind = self._lobby.popitem(last=False)
            self._first[one] = kind
            self._in_flight += 1
            admitted.append(one)
        return admitted

    def begin(self) -> list[Start[Input]]:
        """What idle replicas begin with. Each start has to be ended."""
        starts = []
        for stage, idle in enumerate(self._idle):
            while idle and (inputs := self._taken(stage)):
                starts.append(Start(stage, heappop(idle), inputs))
        return starts

    def end(self, start: Start[Input], *, leave: bool = False) -> None:
        """The call is over: its replica is idle, and its inputs wait for the next stage. Behind the
        last one they leave, or before that, where they are to `leave`."""
        heappush(self._idle[start.stage], start.replica)
        if leave or start.stage == len(self._later):
            self._in_flight -= len(start.inputs)
        else:
            self._later[start.stage].append(start.inputs)

    def withdraw(self, one: Input) -> bool:
        """Forget an input; whether that could be done: not once a replica has begun with it."""
        if one in self._lobby:
            del self._lobby[one]
            return True
        if one in self._first:
            del self._first[one]
            self._in_flight -= 1
            return True
        return False

    def not_begun(self) -> Iterator[Input]:
        """What can still be withdrawn, the first to arrive first."""
        yield from self._first
        yield from self._lobby

    def _taken(self, stage: int) -> tuple[Input, ...]:
        if stage:
            return self._later[stage - 1].popleft() if self._later[stage - 1] else ()
        if not self._first:
            return ()
        if self._batch == 1:
            return (self._first.popitem(last=False)[0],)
        kind = next(iter(self._first.values()))
        alike = (one for one, other in self._first.items() if other == kind)
        taken = tuple(islice(alike, self._batch))
        if self._full and len(taken) < self._batch:
            taken = taken[:1]
        for one in taken:
            del self._first[one]
        return taken

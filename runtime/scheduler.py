"""Who runs what next in a stream: queues, replicas, batches, and how many inputs are in flight.

Two stages of one and two replicas, four inputs in flight at most, batches of one:

    lobby       queue     stage 0       queue     stage 1
    6 5     >   4     >   [ 3 ]     >         >   [ 1 ] [ 2 ]    >    0 has left
                |------------- in flight -----------------|

Three stages, of which the second one takes three inputs in a call, or one:

    queue     stage 0       queue     stage 1       queue     stage 2
    9 8   >   [ 7 ]     >   6     >   [ 5 4 3 ] >   2 1   >   [ 0 ]

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
    kind: Hashable = None


class _Passed(NamedTuple, Generic[Input]):
    """Inputs of one kind that go on together."""

    inputs: tuple[Input, ...]
    kind: Hashable


class Scheduler(Generic[Input]):
    """Inputs are known by anything that can be hashed, each but once at a time.

    No replica is idle while there is something for it to do. The first stage, and each that takes
    more than the one before, takes the oldest input and what else there is of its kind, up to its
    number of `batches`, or with `full` as many as that or no other; they stay together for as long
    as stages take as many, or all are one by one again. Of several idle replicas the first one
    begins.
    """

    def __init__(
        self,
        replicas: Sequence[int],
        *,
        batches: Sequence[int] = (),
        limit: int,
        full: bool = False,
    ) -> None:
        """Without `batches`, each stage takes one input in a call."""
        batches = tuple(batches) or (1,) * len(replicas)
        if not replicas or min(*replicas, *batches, limit) < 1 or len(batches) != len(replicas):
            raise AssertionError((replicas, batches, limit))
        if len({*batches} - {1} if full else {*batches}) > 1:
            raise AssertionError((batches, full))
        self.limit = limit
        self._batches = batches
        self._full = full
        self._idle = [list(range(count)) for count in replicas]  # heaps
        self._lobby: OrderedDict[Input, Hashable] = OrderedDict()  # with their kinds
        self._first: OrderedDict[Input, Hashable] = OrderedDict()
        self._later: list[deque[_Passed[Input]]] = [deque() for _ in replicas[1:]]
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
        return (
            len(self._first),
            *(sum(len(each.inputs) for each in queue) for queue in self._later),
        )

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
            while idle and (taken := self._taken(stage)):
                starts.append(Start(stage, heappop(idle), taken.inputs, taken.kind))
        return starts

    def end(self, start: Start[Input], *, leave: bool = False) -> None:
        """The call is over: its replica is idle, and its inputs wait for the next stage. Behind the
        last one they leave, or before that, where they are to `leave`."""
        heappush(self._idle[start.stage], start.replica)
        if leave or start.stage == len(self._later):
            self._in_flight -= len(start.inputs)
            return
        queue, inputs, kind = self._later[start.stage], start.inputs, start.kind
        if len(inputs) <= self._batches[start.stage + 1]:
            queue.append(_Passed(inputs, kind))
        else:
            queue.extend(_Passed((one,), kind) for one in inputs)

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

    def _taken(self, stage: int) -> _Passed[Input] | None:
        """What a replica of the stage begins with, no longer in its queue."""
        if not stage:
            return self._taken_first()
        queue, batch = self._later[stage - 1], self._batches[stage]
        if not queue:
            return None
        if batch <= self._batches[stage - 1]:
            return queue.popleft()
        return _gathered(queue, batch)

    def _taken_first(self) -> _Passed[Input] | None:
        if not self._first:
            return None
        batch = self._batches[0]
        if batch == 1:
            one, kind = self._first.popitem(last=False)
            return _Passed((one,), kind)
        kind = next(iter(self._first.values()))
        alike = (one for one, other in self._first.items() if other == kind)
        taken = tuple(islice(alike, batch))
        if self._full and len(taken) < batch:
            taken = taken[:1]
        for one in taken:
            del self._first[one]
        return _Passed(taken, kind)


def _gathered(queue: "deque[_Passed[Input]]", batch: int) -> "_Passed[Input]":
    """Of those that came one by one, the oldest with as many others of its kind as make a batch;
    alone where there are fewer."""
    kind = queue[0].kind
    places = [*islice((at for at, each in enumerate(queue) if each.kind == kind), batch)]
    if len(places) < batch:
        return queue.popleft()
    taken = tuple(queue[at].inputs[0] for at in places)
    for at in reversed(places):
        del queue[at]
    return _Passed(taken, kind)

"""The threads of a stream: one for each replica of each stage.

    submit                  a thread of a replica
      lock: arrive            run a call
            admit, begin      lock: end, admit, begin
      -> their mailboxes      -> what others begin with into their mailboxes; its own at once
                              answer the futures of those that are through

A thread with nothing to do sleeps at its mailbox. Who runs what next is decided by the scheduler
alone, under the one lock, which is never held while a stage runs or a future is answered.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Literal, TypeAlias, TypeVar, TypeVarTuple

from stagecut.compiler.ir.errors import ClosedError, EngineError, OverloadError, told
from stagecut.compiler.ir.stream import in_flight, over_at_once
from stagecut.compiler.ir.stream_trace import Call
from stagecut.runtime.scheduler import Scheduler, Start
from stagecut.runtime.stream.group import Group
from stagecut.runtime.stream.item import Item, Outputs, Served
from stagecut.runtime.stream.statistics import LATEST, Departure, Snapshot

#: What happens to an input for which there is no room: its caller waits; the oldest that waits and
#: was submitted so is dropped for it; it is dropped itself; its caller gets an OverloadError.
Overload: TypeAlias = Literal["block", "drop_oldest", "drop_newest", "raise"]

Asked = TypeVarTuple("Asked")
Answer = TypeVar("Answer")

_Mailbox: TypeAlias = "SimpleQueue[Start[Item] | None]"


@dataclass(frozen=True, slots=True)
class Layout:
    """The threads that serve a variant. Variants of one layout are served by the same ones."""

    devices: tuple[str, ...]
    replicas: tuple[int, ...]
    batches: tuple[int, ...]
    limit: int
    full: bool = False
    together: int = 1

    @property
    def names(self) -> list[str]:
        """What the stages are called; a plan without any hands back what it is fed."""
        names = [f"stage {stage} on {device}" for stage, device in enumerate(self.devices)]
        return names or ["no stage"]

    @classmethod
    def of(cls, variant: Served) -> "Layout":
        """Batches are `full` where stages were made for just these: others would have to be made,
        and where only some stages take several, none are. `limit` is how many inputs are in flight
        at most: with more, each would only take longer. Whoever takes outputs in their order wakes
        for `together` of them.

        Where a plan does not say how it streams, every stage has one replica.
        """
        planned, devices = variant.stream, tuple(variant.devices)
        if planned is None:
            single = (1,) * max(1, len(devices))
            limit = in_flight(single, single, variant.run_s)
            return cls(devices, single, single, limit, together=_together(limit, variant.run_s))
        replicas, batches = planned.replicas or (1,), planned.batches or (1,)
        full = variant.has_full_batches
        if planned.mixes and not full:
            batches = (1,) * len(batches)
        limit = planned.most_in_flight
        together = _together(limit, planned.period_s)
        return cls(devices, replicas, batches, limit, full, together)


class Pipeline:
    """The threads of one layout, started with the first input. They keep this alive, and whoever
    no longer needs them has to `close` it, or to `abandon` it.

    Safe to use from several threads. An exception in the middle of a change, as of Ctrl-C, breaks
    the pipeline: all that is in flight is answered with an error, and nothing more is taken.
    """

    def __init__(self, layout: Layout, clock: Callable[[], float]) -> None:
        self.layout = layout
        self._clock = clock
        self._lock = threading.Lock()
        self._scheduler: Scheduler[Item] = Scheduler(
            layout.replicas, batches=layout.batches, limit=layout.limit, full=layout.full
        )
        self._mailboxes: list[list[_Mailbox]] = [
            [SimpleQueue() for _ in range(count)] for count in layout.replicas
        ]
        self._threads: list[threading.Thread] = []
        self._unanswered: dict[Item, None] = {}
        self._closed = False
        self._broken: BaseException | None = None
        self._abandoned = False
        self._calls: list[deque[Call]] = [deque(maxlen=LATEST) for _ in layout.replicas]
        self._departures: deque[Departure] = deque(maxlen=LATEST)
        self._outputs = 0

    def snapshot(self) -> Snapshot:
        """What it has done up to now."""
        layout = self.layout
        with self._lock:
            return Snapshot(
                layout.names,
                layout.replicas,
                self._scheduler.depths,
                [[*calls] for calls in self._calls],
                self._outputs,
                [*self._departures],
            )

    def enqueue(self, item: Item) -> None:
        """Take `item`, which waits in the lobby where there is no room. Waits for nothing."""
        self._change(self._take, item)

    def try_submit(self, item: Item) -> bool:
        """Take `item` where there is room; whether there was."""
        self._check_open()
        # asked without the lock first: who fills a stream asks once in vain for each input
        return self._scheduler.has_room and self._change(self._take_with_room, item)

    def submit(self, item: Item, overload: Overload) -> None:
        """Take `item`, and wait until it is admitted, or do with it as `overload` says.

        An item that is dropped has an OverloadError for an answer; with "raise" this raises it.
        """
        item.can_be_dropped = overload == "drop_oldest"
        item.admitted = threading.Event() if overload == "block" else None
        dropped = self._change(self._take_or_drop, item, overload == "block")
        if dropped is not None:
            if overload == "raise":
                raise self._overloaded()
            if dropped.begins():  # else nobody wants it any more
                dropped.answer(self._overloaded())
        self._wait(item)

    def close(self, *, cancel: bool) -> None:
        """Take nothing more; with `cancel`, cancel what no replica has begun with. The threads end
        when everything is answered."""
        for item in self._change(self._end_intake, cancel):
            item.cancel()

    def abandon(self) -> None:
        """The threads end after the calls that they are in. Takes no lock: the garbage collector
        calls this, wherever it happens to be."""
        self._abandoned = True
        self._dismiss()

    def join(self) -> None:
        """Wait until the threads have ended."""
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _overloaded(self) -> OverloadError:
        return OverloadError(
            f"is not run: {self.layout.limit} inputs are in flight, which is all there is room for",
            where="an input of the stream",
            fix='send fewer, or let them wait: overload="block"',
        )

    def _check_open(self) -> None:
        if self._broken is not None:
            raise _broken_off(self._broken)
        if self._closed:
            raise closed()

    def _change(self, change: Callable[[*Asked], Answer], *asked: *Asked) -> Answer:
        """Make it with the lock; whatever is raised in it breaks the pipeline, refusals
        excepted."""
        try:
            with self._lock:
                return change(*asked)
        except (ClosedError, OverloadError):
            raise
        except BaseException as error:
            self._break(error)
            raise

    def _take(self, item: Item) -> None:
        self._check_open()
        self._arrive(item)

    def _take_with_room(self, item: Item) -> bool:
        self._check_open()
        if not self._scheduler.has_room:
            return False
        self._arrive(item)
        return True

    def _take_or_drop(self, item: Item, block: bool) -> Item | None:
        """The one that is dropped, where one is."""
        self._check_open()
        dropped = None
        if not (block or self._scheduler.has_room):
            dropped = self._dropped_for(item)
            self._withdraw(dropped)
        if dropped is not item:
            self._arrive(item)
        return dropped

    def _take_back(self, item: Item) -> bool:
        withdrawn = self._withdraw(item)
        self._settle()
        return withdrawn

    def _end_intake(self, cancel: bool) -> Sequence[Item]:
        """Those that are cancelled."""
        self._closed = True
        cancelled: list[Item] = []
        if cancel and self._broken is None:
            cancelled += self._scheduler.not_begun()
            for item in cancelled:
                self._withdraw(item)
        self._settle()
        return cancelled

    def _arrive(self, item: Item) -> None:
        self._start_threads()
        item.arrived_s = self._clock()
        self._unanswered[item] = None
        self._scheduler.arrive(item, (item.variant, item.shapes))
        self._settle()

    def _withdraw(self, item: Item) -> bool:
        """Whether no replica has begun with it."""
        withdrawn = self._scheduler.withdraw(item)
        if withdrawn:
            del self._unanswered[item]
        return withdrawn

    def _dropped_for(self, item: Item) -> Item:
        """The oldest that waits and was submitted so; where there is none, `item` itself."""
        if not item.can_be_dropped:
            return item
        return next((one for one in self._scheduler.not_begun() if one.can_be_dropped), item)

    def _settle(self, own: tuple[int, int] | None = None) -> Start[Item] | None:
        """Let in and begin what can be. What the replica `own` of a stage begins with is handed
        back, and not put into its mailbox."""
        for item in self._scheduler.admit():
            item.let_in()
        found = None
        for start in self._scheduler.begin():
            if (start.stage, start.replica) == own:
                found = start
            else:
                self._mailboxes[start.stage][start.replica].put(start)
        if self._closed and self._scheduler.is_empty:
            self._dismiss()
        return found

    def _wait(self, item: Item) -> None:
        """Until `item` is admitted; who is interrupted takes it back."""
        if item.admitted is None:
            return
        try:
            item.admitted.wait()
        except BaseException:
            if self._change(self._take_back, item):
                item.cancel()
            raise

    def _start_threads(self) -> None:
        if self._threads:
            return
        for stage, mailboxes in enumerate(self._mailboxes):
            for replica in range(len(mailboxes)):
                thread = threading.Thread(
                    target=self._work,
                    args=(stage, replica),
                    name=f"stagecut stage {stage} replica {replica}",
                    daemon=True,  # it is Streams that ends them when the interpreter does
                )
                try:
                    thread.start()
                except RuntimeError as error:
                    raise EngineError(
                        f"cannot start a thread: {error}",
                        where=f"replica {replica} of stage {stage}",
                        fix="plan fewer replicas, or allow this process more threads",
                    ) from error
                self._threads.append(thread)

    def _work(self, stage: int, replica: int) -> None:
        """What a thread does."""
        try:
            mailbox = self._mailboxes[stage][replica]
            while (start := mailbox.get()) is not None:
                while start is not None and not self._abandoned and self._broken is None:
                    start = self._call(start)
                del start  # or else its inputs live until the next one comes
        except BaseException as error:  # a bug of ours, and nobody may wait for ever
            self._break(error)

    def _call(self, start: Start[Item]) -> Start[Item] | None:
        """Run the call; what the replica begins with next."""
        start_s = self._clock()
        group = Group.of(start.inputs)
        results = group.advance(to_end=start.stage == len(self.layout.replicas) - 1)
        try:
            return self._ended(start, group, results, start_s)
        finally:
            del start, group, results  # an error has this frame, and would keep itself alive

    def _ended(
        self,
        start: Start[Item],
        group: Group,
        results: Sequence[Outputs | BaseException] | None,
        start_s: float,
    ) -> Start[Item] | None:
        """Hand the items on, or answer them where there are `results`."""
        now_s = self._clock()
        with self._lock:
            if self._broken is not None:
                return None
            self._scheduler.end(start, leave=results is not None)
            for size, part_s in group.calls(start_s, now_s):
                self._note(Call(start.stage, start.replica, size, *part_s))
            if results is not None:
                self._leave(start, group, now_s)
            own = self._settle((start.stage, start.replica))
        if results is not None:
            group.answer(results)
        return own

    def _note(self, call: Call) -> None:
        if call.inputs:
            self._calls[call.stage].append(call)

    def _leave(self, start: Start[Item], group: Group, now_s: float) -> None:
        for item in start.inputs:
            item.group = None  # which has the item itself in it
            del self._unanswered[item]
        for item in group.items:
            planned = item.variant.stream if item.shapes == item.variant.shapes else None
            period_s = None if planned is None else planned.period_s
            self._departures.append(Departure(item.arrived_s, now_s, period_s))
        self._outputs += len(group.items)

    def _break(self, error: BaseException) -> None:
        """Answer everything, and end the threads."""
        with self._lock:
            self._broken = self._broken or error
            unanswered, self._unanswered = self._unanswered, {}
            self._dismiss()
        for item in unanswered:
            item.answer(_broken_off(error))
            item.let_in()

    def _dismiss(self) -> None:
        for mailboxes in self._mailboxes:
            for mailbox in mailboxes:
                mailbox.put(None)


def _together(limit: int, period_s: float) -> int:
    """No more than half of those in flight, so that the others keep the stages at work."""
    return max(1, min(limit, over_at_once(period_s)) // 2)


def closed() -> ClosedError:
    return ClosedError(
        "is closed, and takes no more inputs",
        where="the stream",
        fix="load the plan in a new session",
    )


def _broken_off(error: BaseException) -> EngineError:
    return EngineError(
        f"was broken off by {type(error).__name__}: {told(error)}",
        where="the stream",
        fix="load the plan in a new session",
    )

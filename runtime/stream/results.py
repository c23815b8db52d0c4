"""What comes out of a stream: an iterator over the outputs of the inputs of an iterator.

Inputs are taken when the next outputs are asked for, in the thread that asks: as many as there is
room for, so that the stages have something to do while outputs are used.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import SimpleQueue
from typing import Literal, Protocol, Self, TypeAlias, get_args

from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import StagecutError
from stagecut.runtime.stream.item import Item, Outputs, Told
from stagecut.runtime.stream.promise import Promise
from stagecut.runtime.stream.streams import Streams, check_choice

#: What becomes of an input that fails: its error is raised where its outputs would have been, or
#: stands there itself.
OnError: TypeAlias = Literal["raise", "yield"]


#: So long the first of several outputs may wait for the others at the most.
TOGETHER_S = 1e-3


class Results(Iterator["Outputs | Exception"]):
    """The outputs of each of `inputs`, in their order unless not `ordered`.

    An error of one input does not touch the others: after `next` has raised it, the one after it
    has the outputs that come next. An error of `inputs` itself is raised behind everything that was
    there before it. Outputs in order are waited for `together`, so many at a time, for as long as
    that is no time at all: waking for each takes longer than some models do. `close`, or the end of
    a `with` block, cancels what has not begun; so does an interrupt.
    """

    def __init__(
        self,
        inputs: Iterable[Feeds],
        item_of: Callable[[Feeds], Item],
        streams: Streams,
        *,
        window: int,
        together: int,
        ordered: bool,
        on_error: OnError,
    ) -> None:
        self._pending: _Pending = _InOrder(together) if ordered else _AsTheyCome()
        self._ended = self._closed = False
        self._held: Item | None = None
        self._last: Exception | None = None
        check_choice(on_error, get_args(OnError), "on_error")
        self._inputs = iter(inputs)
        self._item_of = item_of
        self._streams = streams
        self._window = window
        self._on_error = on_error

    def __next__(self) -> Outputs | Exception:
        try:
            future = self._next()
        except BaseException:
            self.close()
            raise
        try:
            if self._on_error == "yield" and isinstance(error := future.exception(), Exception):
                return error
            return future.result()
        finally:
            del future  # or else an error would keep itself alive, by its traceback

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Take no more inputs, cancel those that no stage has begun with, and hand nothing back
        any more; whoever waits for outputs in another thread finds the end."""
        self._ended = self._closed = True
        self._held = self._last = None
        self._pending.cancel()

    def _next(self) -> Told:
        self._fill()
        if self._pending:
            try:
                return self._pending.next()
            except LookupError:
                if not self._closed:  # by another thread, while this one waited
                    raise
        raise self._last or StopIteration

    def _fill(self) -> None:
        """Put inputs in flight for as long as there is room; wait for it only where none of ours
        are in flight."""
        try:
            while not self._ended and len(self._pending) < self._window:
                if self._held is None:
                    self._take()
                elif self._submitted(self._held):
                    self._pending.add(self._held.future)
                    self._held = None
                else:
                    return
        except Exception as error:  # of `inputs`, or the session is closed
            self._ended = True
            self._held, self._last = None, error

    def _take(self) -> None:
        """Hold the next input; one that does not fit the plan has its answer at once."""
        for feeds in self._inputs:
            try:
                self._held = self._item_of(feeds)
            except StagecutError as error:
                failed = Promise()
                failed.set_exception(error)
                self._pending.add(failed)
            return
        self._ended = True

    def _submitted(self, item: Item) -> bool:
        if self._streams.try_submit(item):
            return True
        if self._pending:
            return False
        self._streams.submit(item, "block")
        return True


class _Pending(Protocol):
    """Futures of inputs in flight."""

    def __len__(self) -> int: ...
    def add(self, future: Told) -> None: ...
    def next(self) -> Told:
        """One that is done, which is no longer pending; waits for it."""
        ...

    def cancel(self) -> None: ...


class _InOrder:
    def __init__(self, together: int) -> None:
        self._together = together
        self._futures: deque[Told] = deque()

    def __len__(self) -> int:
        return len(self._futures)

    def add(self, future: Told) -> None:
        self._futures.append(future)

    def next(self) -> Told:
        futures = self._futures
        if not futures[0].done():
            if self._together > 1:
                _wait(futures[min(self._together, len(futures)) - 1], TOGETHER_S)
            _wait(futures[0])
        return futures.popleft()

    def cancel(self) -> None:
        while self._futures:
            self._futures.pop().cancel()


class _AsTheyCome:
    def __init__(self) -> None:
        self._futures: dict[Told, None] = {}
        self._done: SimpleQueue[Told] = SimpleQueue()

    def __len__(self) -> int:
        return len(self._futures)

    def add(self, future: Told) -> None:
        self._futures[future] = None
        future.add_done_callback(self._done.put)

    def next(self) -> Told:
        future = self._done.get()
        del self._futures[future]
        return future

    def cancel(self) -> None:
        while self._futures:
            self._futures.popitem()[0].cancel()


def _wait(future: Told, most_s: float | None = None) -> None:
    with suppress(CancelledError, TimeoutError):
        future.exception(most_s)

"""Callbacks of futures, in a thread of their own: what they wait for is done by others meanwhile.

    replica answers      callback thread
      future done   >      callback 1, which submits another input and waits for room
      next call            ...
      makes room    >      goes on; callback 2

In the thread of a replica, a callback that waits for room, or for another output, would wait for
ever for that very replica.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeAlias

_Callback: TypeAlias = "tuple[Callable[[Future[Any]], object], Future[Any]]"

#: Where users of futures look for what their callbacks raise.
_LOG = logging.getLogger("concurrent.futures")


class Callbacks:
    """Runs callbacks one after the other, in the order in which their futures were done. Its thread
    starts with the first one."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Callback | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, callback: "Callable[[Future[Any]], object]", future: "Future[Any]") -> None:
        """Soon, in the thread."""
        self._queue.put((callback, future))
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=_work, args=(self._queue,), name="stagecut callbacks", daemon=True
                )
                self._thread.start()

    def dismiss(self) -> None:
        """The thread ends after what there is. Takes no lock: the garbage collector calls this."""
        self._queue.put(None)

    def join(self) -> None:
        """Wait until the thread has ended; not from one of the callbacks."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()


class CalledBack(Future[Any]):
    """A future whose callbacks are run by `callbacks`; one that is done already runs them at
    once."""

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__()
        self._callbacks = callbacks

    def add_done_callback(self, fn: "Callable[[Future[Any]], object]") -> None:
        if self.done():
            super().add_done_callback(fn)
            return
        run = self._callbacks.run
        super().add_done_callback(lambda future: run(fn, future))


def _work(queue: "SimpleQueue[_Callback | None]") -> None:
    while (given := queue.get()) is not None:
        callback, future = given
        try:
            callback(future)
        except BaseException:  # also of SystemExit: others wait for their callbacks
            _LOG.exception("exception calling callback for %r", future)
        del given, callback, future  # or else they live until the next ones come

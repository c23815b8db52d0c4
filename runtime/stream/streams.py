"""The streams of a session: a pipeline for each layout that its variants have."""

import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import get_args

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.stream_trace import StreamTrace
from stagecut.runtime.stream.callbacks import Callbacks
from stagecut.runtime.stream.item import Item, Served
from stagecut.runtime.stream.pipeline import Layout, Overload, Pipeline, closed
from stagecut.runtime.stream.statistics import StreamStats, stream_stats, stream_trace


class Streams:
    """Has no thread until an input arrives, and none once it is closed, or gone with its session.

    When the interpreter ends, what runs is finished and what waits is not begun.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pipelines: dict[Layout, Pipeline] = {}
        self._serving: dict[Served, Pipeline] = {}
        self._closed = False
        #: Of the futures that are handed out.
        self.callbacks = Callbacks()
        weakref.finalize(self, _abandon, self._pipelines, self.callbacks)

    def enqueue(self, item: Item) -> None:
        """Take `item`, however many wait. Raises ClosedError, as all that take one."""
        self._pipeline(item).enqueue(item)

    def submit(self, item: Item, overload: Overload) -> None:
        check_choice(overload, get_args(Overload), "overload")
        self._pipeline(item).submit(item, overload)

    def try_submit(self, item: Item) -> bool:
        return self._pipeline(item).try_submit(item)

    def stats(self, since_s: float) -> StreamStats:
        return stream_stats([each.snapshot().since(since_s) for each in self._all()])

    def trace(self) -> StreamTrace:
        return stream_trace([each.snapshot() for each in self._all()])

    def close(self, *, cancel: bool) -> None:
        """Wait for all that is in flight, and for its callbacks; who is interrupted in that cancels
        what waits."""
        with self._lock:
            self._closed = True
        try:
            for pipeline in self._all():
                pipeline.close(cancel=cancel)
            for pipeline in self._all():
                pipeline.join()
            self.callbacks.dismiss()
            self.callbacks.join()
        except BaseException:
            for pipeline in self._all():
                pipeline.close(cancel=True)
            self.callbacks.dismiss()
            raise

    def _all(self) -> list[Pipeline]:
        with self._lock:
            return [*self._pipelines.values()]

    def _pipeline(self, item: Item) -> Pipeline:
        item.owner = self  # which must not go before its threads have answered
        return self._serving.get(item.variant) or self._started(item.variant)

    def _started(self, variant: Served) -> Pipeline:
        with self._lock:
            if self._closed:
                raise closed()
            layout = Layout.of(variant)
            pipeline = self._pipelines.setdefault(layout, Pipeline(layout, self._clock))
            self._serving[variant] = pipeline
            return pipeline


def limit_of(variants: Iterable[Served]) -> int:
    """How many inputs of one sort are in flight at most."""
    return max(Layout.of(variant).limit for variant in variants)


def together_of(variants: Iterable[Served]) -> int:
    """How many outputs of any sort may be waited for at once."""
    return min(Layout.of(variant).together for variant in variants)


def check_choice(given: str, choices: Sequence[str], argument: str) -> None:
    """Raises UsageError unless `given` is one of `choices`."""
    if given not in choices:
        raise UsageError(
            f"{given!r} is not one of {', '.join(choices)}",
            where=argument,
            fix=f"give {choices[0]!r}",
        )


def _abandon(pipelines: dict[Layout, Pipeline], callbacks: Callbacks) -> None:
    for pipeline in pipelines.values():
        pipeline.abandon()
    callbacks.dismiss()
    if not threading.main_thread().is_alive():  # the interpreter ends, and engines do not like that
        for pipeline in pipelines.values():
            pipeline.join()
        callbacks.join()

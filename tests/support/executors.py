"""Executors that are there, each with its engines: what else would only go with the collector of
rings does not count as gone."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from stagecut.runtime.executor import Executor


class Executors:
    """Those that were made; `counts` is how many there were each time another was made."""

    def __init__(self) -> None:
        self._made: list[weakref.ref[Executor]] = []
        self.counts: list[int] = []

    def note(self, executor: Executor) -> None:
        self._made.append(weakref.ref(executor))
        self.counts.append(self.alive)

    @property
    def alive(self) -> int:
        return sum(each() is not None for each in self._made)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Executors]:
    executors = Executors()
    make = Executor.__init__

    def noted(self: Executor, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        executors.note(self)

    monkeypatch.setattr(Executor, "__init__", noted)
    gc.collect()
    gc.disable()
    try:
        yield executors
    finally:
        gc.enable()

"""What is let go is gone at once, and is there again when it is asked for."""

import weakref
from typing import cast

import numpy as np

from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.readied import Readied
from stagecut.runtime.executor import Executor


class Fake:
    def run(self, feeds: Feeds) -> Feeds:
        return feeds


def test_it_is_prepared_once_more_only_where_it_was_let_go() -> None:
    made: list[weakref.ref[Fake]] = []

    def prepare() -> Executor:
        fake = Fake()
        made.append(weakref.ref(fake))
        return cast("Executor", fake)

    readied = Readied(prepare(), prepare)
    feeds = {"x": np.zeros(1)}
    assert readied.run(feeds) is feeds  # type: ignore[comparison-overlap]
    assert readied() is readied()
    assert len(made) == 1
    readied.release()
    assert made[0]() is None
    assert readied.run(feeds) is feeds  # type: ignore[comparison-overlap]
    assert readied() is readied()
    assert len(made) == 2

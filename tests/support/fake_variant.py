"""A variant whose stages are Python functions, and items for it: streams without an engine."""

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.port import InputPort
from stagecut.runtime.stream.item import Item
from stagecut.runtime.variant import Variant

#: What a stage makes of an array.
Stage = Callable[[Tensor], Tensor]


class FakeVariant:
    """Feeds each `x` through `stages`; what comes out is `y`. `stream` says how many inputs run.

    An input runs by itself with `outputs`, as when a group of them has failed.
    """

    def __init__(
        self, *stages: Stage, stream: PlannedStream | None = None, shape: tuple[int, ...] = (1,)
    ) -> None:
        self.stages = stages
        self.devices = [f"cpu{index}" for index in range(len(stages))]
        self.has_full_batches = False
        self.stream = stream
        self.run_s = 0.0
        self.shapes = (shape,)
        self.planned = _Planned()
        self.ran_alone = 0
        self.passing = True

    def passes(self, shapes: object) -> bool:
        return self.passing

    def passage(self, feeds: Feeds, shapes: object) -> "_Passage":
        return _Passage(self.stages, feeds["x"])

    def joined(self, passages: "Sequence[_Passage]") -> "_Passage":
        values = [passage.value for passage in passages]
        return _Passage(passages[0].left, np.concatenate(values))

    def part(self, passage: "_Passage", at: int, of: int) -> "_Passage":
        rows = len(passage.value) // of
        return _Passage(passage.left, passage.value[at * rows : (at + 1) * rows])

    def outputs(self, feeds: Feeds, shapes: object) -> Mapping[str, Tensor]:
        self.ran_alone += 1
        passage = self.passage(feeds, shapes)
        while not passage.advance():
            pass
        return passage.outputs()


class _Planned:
    inputs = (InputPort("x", "float64", (1,)),)


class _Passage:
    def __init__(self, stages: Sequence[Stage], value: Tensor) -> None:
        self.left = [*stages]
        self.value = value

    def advance(self) -> bool:
        self.value = self.left.pop(0)(self.value)
        return not self.left

    def outputs(self) -> Mapping[str, Tensor]:
        return {"y": self.value}


def stream_of(
    *replicas: int, batch: int = 1, period_s: float = 0.0, batches: tuple[int, ...] = ()
) -> PlannedStream:
    batches = batches or (batch,) * len(replicas)
    return PlannedStream(replicas, batches, period_s, 0.0, "measured")


def item(variant: FakeVariant, *numbers: float) -> Item:
    """An input of one row for each number."""
    array = np.array(numbers, float)
    feeds = {"x": array}
    return Item(cast("Variant", variant), feeds, (array.shape,), _listed)


def interrupt_main_thread() -> None:
    """As Ctrl-C does; unlike `_thread.interrupt_main`, it wakes a thread that waits for a lock."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _listed(outputs: Mapping[str, Any]) -> list[Tensor]:
    return [*outputs.values()]

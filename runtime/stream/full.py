"""A stream that is kept full for a while, to see what it can do.

outputs   a  b | a  b | a  b | a  b | a   b
       filling     what counts         emptying

Replicas that began together may go on side by side. So whole rounds count, in which each of them
hands back a call: who ended between a and b would count an output too few, of five rounds a tenth.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.stream import StreamRun
from stagecut.runtime.executor import Executor, Passage
from stagecut.runtime.stream.item import Item, Outputs, Told
from stagecut.runtime.stream.pipeline import Layout, Pipeline
from stagecut.runtime.unprofiled_shapes import Shapes

#: So many inputs count at the least, for each replica.
FEW = 4


@dataclass(frozen=True, slots=True)
class Only:
    """An executor as items see the variant that they are for: at the shapes that it is for. Of
    other shapes are full batches, for which there is `full`."""

    executor: Executor
    shapes: Shapes = ()
    full: Executor | None = None
    devices: tuple[str, ...] = ()
    stream: PlannedStream | None = None
    has_full_batches: bool = False
    run_s: float = 0.0

    def passes(self, shapes: Shapes) -> bool:  # noqa: ARG002
        return True

    def passage(self, feeds: Feeds, shapes: Shapes) -> Passage:
        return self._for(shapes).by_stage(feeds)

    def outputs(self, feeds: Feeds, shapes: Shapes) -> Mapping[str, Tensor]:
        return self._for(shapes).outputs(feeds)

    def _for(self, shapes: Shapes) -> Executor:
        return self.executor if self.full is None or shapes == self.shapes else self.full


@dataclass(frozen=True, slots=True)
class FullStream:
    """The stages of `executor` with as many `replicas` each, and so many inputs in flight at most;
    a StreamRunner. At the least, `least` calls count for each replica.

    With a `batch` of more than one, inputs that are there when a call begins are run together by
    `full`, or one of them by `executor`.
    """

    executor: Executor
    replicas: tuple[int, ...]
    limit: int
    clock: Callable[[], float] = perf_counter
    least: int = FEW
    batch: int = 1
    full: Executor | None = None

    def run(self, feeds: Feeds, seconds: float) -> StreamRun:
        """The period is that of the outputs after each replica could have handed one back, in whole
        rounds until no more inputs come; so that what the stream was filled and emptied with does
        not count.

        Raises StageFault where an engine fails.
        """
        every = sum(self.replicas) * self.batch
        layout = Layout((), self.replicas, self.batch, self.limit, full=self.full is not None)
        pipeline = Pipeline(layout, self.clock)
        shapes = tuple(array.shape for array in feeds.values())
        only = Only(self.executor, shapes, self.full)
        left_s: list[float] = []
        failed: list[BaseException] = []

        def left(future: Told) -> None:
            """Knows of no item: a future keeps whom it told, and would keep its outputs with it."""
            if future.cancelled():
                return
            left_s.append(self.clock())
            error = future.exception()
            if error is not None:
                failed.append(error)

        start_s = self.clock()
        try:
            while not failed:
                item = Item(only, feeds, shapes, _listed)
                item.future.add_done_callback(left)
                pipeline.submit(item, "block")
                counted = len(left_s) - every
                if self.clock() - start_s >= seconds and counted >= self.least * every:
                    break
            end_s = self.clock()
        finally:
            pipeline.close(cancel=True)
            pipeline.join()
        if failed:
            raise failed[0]
        inputs, wall_s = whole_rounds([each for each in left_s if each <= end_s], every)
        seen = pipeline.snapshot()
        return StreamRun(
            inputs,
            len(left_s),
            wall_s,
            tuple(statistics.median(call.took_s for call in each) for each in seen.calls),
        )


def whole_rounds(left_s: Sequence[float], every: int) -> tuple[int, float]:
    """How many of the outputs that left then count, and in how many seconds they did: rounds of
    `every` behind the first one, of which there is at least one more."""
    first = every - 1
    inputs = (len(left_s) - every) // every * every
    return inputs, left_s[first + inputs] - left_s[first]


def _listed(outputs: Feeds) -> Outputs:
    return [*outputs.values()]

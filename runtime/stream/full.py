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
from typing import NamedTuple

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.ir.stream_trace import Call
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

    def joined(self, passages: Sequence[Passage]) -> Passage:
        return (self.full or self.executor).joined(passages)

    def part(self, passage: Passage, at: int, of: int) -> Passage:
        return self.executor.part(passage, at, of)

    def _for(self, shapes: Shapes) -> Executor:
        return self.executor if self.full is None or shapes == self.shapes else self.full


@dataclass(frozen=True, slots=True)
class FullStream:
    """The stages of `executor` with as many `replicas` each, and so many inputs in flight at most;
    a StreamRunner. At the least, `least` calls count for each replica.

    With more than one input in the calls of some stages (`batches`), those that are there when a
    call begins are run together by `full`, or one of them by `executor`.
    """

    executor: Executor
    replicas: tuple[int, ...]
    limit: int
    clock: Callable[[], float] = perf_counter
    least: int = FEW
    batches: tuple[int, ...] = ()
    full: Executor | None = None

    def run(self, feeds: Feeds, seconds: float) -> StreamRun:
        """The period is that of the outputs after each replica could have handed one back, in whole
        rounds until no more inputs come; so that what the stream was filled and emptied with does
        not count.

        Raises StageFault where an engine fails.
        """
        batches = self.batches or (1,) * len(self.replicas)
        every = sum(self.replicas) * max(batches)
        layout = Layout((), self.replicas, batches, self.limit, full=self.full is not None)
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
        rounds = whole_rounds([each for each in left_s if each <= end_s], every)
        seen = pipeline.snapshot()
        calls_s = [_call_s(calls, rounds) for calls in seen.calls]
        handed_s = _handed_s(self._busiest(seen.calls))
        call_s = tuple(each + handed_s for each in calls_s)
        return StreamRun(rounds.inputs, len(left_s), rounds.wall_s, call_s)

    def _busiest(self, calls: Sequence[Sequence[Call]]) -> Sequence[Call]:
        """Those of the stage whose replicas had the most to do."""
        busy_s = [
            sum(each.took_s for each in some) / count
            for some, count in zip(calls, self.replicas, strict=True)
        ]
        return calls[busy_s.index(max(busy_s))]


class Rounds(NamedTuple):
    """So many inputs count, which left within these times."""

    inputs: int
    start_s: float
    end_s: float

    @property
    def wall_s(self) -> float:
        return self.end_s - self.start_s


def whole_rounds(left_s: Sequence[float], every: int) -> Rounds:
    """Of outputs that left then: rounds of `every` behind the first one, of which there is at least
    one more."""
    first = every - 1
    inputs = (len(left_s) - every) // every * every
    return Rounds(inputs, left_s[first], left_s[first + inputs])


def _call_s(calls: Sequence[Call], rounds: Rounds) -> float:
    """What the calls of a stage took that ended meanwhile, those of its full batches where it takes
    any: the mean, as it is this by which a replica lets inputs through, whatever the usual call
    takes."""
    most = max(each.inputs for each in calls)
    full = [each for each in calls if each.inputs == most]
    counted = [each.took_s for each in full if rounds.start_s < each.end_s <= rounds.end_s]
    return statistics.fmean(counted or [each.took_s for each in full])


def _handed_s(calls: Sequence[Call]) -> float:
    """From the end of a call to the same replica's next one, in the median: of a stage that has
    always something to do, what the runtime takes."""
    ends: dict[int, float] = {}
    gaps_s = []
    for each in sorted(calls, key=lambda call: call.start_s):
        if each.replica in ends:
            gaps_s.append(each.start_s - ends[each.replica])
        ends[each.replica] = each.end_s
    return max(0.0, statistics.median(gaps_s)) if gaps_s else 0.0


def _listed(outputs: Feeds) -> Outputs:
    return [*outputs.values()]

"""Throughput against latency: every stream than which none is both faster and sooner done.

    1,000 inputs/s    22 ms         the fastest there is, and the least latency at that rate
      800 inputs/s    15 ms         the fastest of those that take less than 22 ms
      500 inputs/s     9 ms         the fastest of those that take less than 15 ms; and so on

Each is the answer to a limit on latency, and is proved as such: the certificate of each says that
with a latency below that of the one before it, none is faster.
"""

from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.stream import StreamSolution
from stagecut.compiler.ir.stream_certificate import LATENCY, Limit
from stagecut.passes.partition.throughput.amounts import limits_of
from stagecut.passes.partition.throughput.streams import NothingWithin, Streams
from stagecut.passes.partition.throughput.throughput import check_streamable


@dataclass(frozen=True, slots=True)
class Front:
    """The fastest first. Streams are left out whose latency is by less than `step`, as a fraction,
    below that of the one before them."""

    limits: tuple[Limit, ...] = ()
    step: float = 0.01

    def __call__(self, table: CostTable) -> tuple[StreamSolution, ...]:
        """Raises UnplaceableError as `Throughput` does."""
        check_streamable(table)
        streams = Streams.of(table)
        limits = limits_of(table, self.limits)
        others = tuple(limit for limit in limits if limit.name != LATENCY)
        found = streams.fastest(limits, streams.unlimited)
        if isinstance(found, NothingWithin):
            raise streams.error(found, limits)
        return tuple(streams.walk(found, others, self.step))

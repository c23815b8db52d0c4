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
from stagecut.compiler.ir.stream_certificate import TOLERANCE, Limit
from stagecut.passes.partition.throughput.amounts import limits_of
from stagecut.passes.partition.throughput.throughput import (
    Found,
    NothingWithin,
    Streams,
    check_streamable,
)
from stagecut.passes.partition.throughput.within import Within


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
        others = tuple(limit for limit in limits if limit.name != "latency")
        found = streams.fastest(limits, streams.unlimited)
        if isinstance(found, NothingWithin):
            raise streams.error(found)
        points: list[StreamSolution] = []
        while not isinstance(found, NothingWithin):
            point = _soonest(streams, found, others)
            points.append(point)
            if not point.account.latency_s:
                break
            most_s = point.account.latency_s * (1 - max(self.step, 2 * TOLERANCE))
            found = streams.fastest((*others, Limit("latency", most_s)), found)
        return tuple(points)


def _soonest(streams: Streams, found: Found, limits: tuple[Limit, ...]) -> StreamSolution:
    """Of the streams with the period that was found, the one with the least latency."""
    parts, certificate = found
    latency_s = streams.as_solution(parts, certificate).account.latency_s
    within = Within(streams.probe, (*limits, Limit("latency", latency_s)))
    return streams.as_solution(within.thriftiest(parts), certificate)

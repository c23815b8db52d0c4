"""What a stream did and when: the calls of each replica of each stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stagecut.compiler.ir.amounts import Amount, Count


class Call(NamedTuple):
    """A replica of a stage ran so many inputs at once, by this machine's clock; a tuple, as one is
    made for each."""

    stage: int
    replica: int
    inputs: int
    start_s: float
    end_s: float

    @property
    def took_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class StreamTrace:
    """`calls` in the order in which they ended; `stages` are what the stages are called."""

    stages: tuple[str, ...]
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class StreamObserved:
    """What a stream came to: `period_s` from one output to the next, what an input took in the
    median and what 99 of 100 do not exceed, and the busiest stage. `devices` are those of the
    stages of the plan, in their order, and `shapes` those that it was profiled with."""

    devices: tuple[str, ...]
    shapes: str
    outputs: Count
    period_s: Amount
    p50_s: Amount
    p99_s: Amount
    bottleneck: str


def joined(traces: Sequence[StreamTrace]) -> StreamTrace:
    """All of them in one, whose stages are numbered through."""
    names: list[str] = []
    found: list[Call] = []
    for trace in traces:
        found += [call._replace(stage=call.stage + len(names)) for call in trace.calls]
        names += trace.stages
    return StreamTrace(tuple(names), tuple(sorted(found, key=lambda call: call.end_s)))

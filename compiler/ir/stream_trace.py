"""What a stream did and when: the calls of each replica of each stage."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Call:
    """A replica of a stage ran so many inputs at once, by this machine's clock."""

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


def joined(traces: Sequence[StreamTrace]) -> StreamTrace:
    """All of them in one, whose stages are numbered through."""
    names: list[str] = []
    found: list[Call] = []
    for trace in traces:
        found += [replace(call, stage=call.stage + len(names)) for call in trace.calls]
        names += trace.stages
    return StreamTrace(tuple(names), tuple(sorted(found, key=lambda call: call.end_s)))

"""What a stream did and when: the calls of each replica of each stage."""

from dataclasses import dataclass
from typing import NamedTuple


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

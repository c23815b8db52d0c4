"""What was recorded of a plan while it ran: a run of it, or what a stream of its inputs came to."""

from dataclasses import dataclass

from stagecut.compiler.ir.stream_trace import StreamObserved
from stagecut.compiler.ir.trace import Trace


@dataclass(frozen=True, slots=True)
class Recorded:
    """One of the two, or nothing."""

    run: Trace | None = None
    stream: StreamObserved | None = None

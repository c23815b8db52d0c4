"""How busy a stream is: what its latest calls, and the latest inputs that left it, say."""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from stagecut.compiler.ir.stream_trace import Call, StreamTrace

#: So many of the latest calls of each stage, and of the latest inputs, are looked at.
LATEST = 4096


@dataclass(frozen=True, slots=True)
class StageStats:
    """One stage; `busy` is the part of the time that its replicas were in a call, on average.

    `waiting` is how many inputs wait before it now, `batches` how many calls had so many inputs.
    """

    name: str
    replicas: int
    busy: float
    waiting: int
    p50_s: float
    p99_s: float
    batches: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class StreamStats:
    """What the latest 4,096 inputs and the latest 4,096 calls of each stage say; `outputs` are all
    that there ever were.

    `p50_s` and `p99_s` are of what an input takes from its arrival, waiting included. `period_s`
    are the seconds from one output to the next, between the first and the last of them, whatever
    there was to do; None while all came at once. `planned_period_s` is the mean of what the plan
    says for these inputs; None where it says nothing of one of them.
    """

    stages: tuple[StageStats, ...]
    outputs: int
    p50_s: float
    p99_s: float
    period_s: float | None
    planned_period_s: float | None

    @property
    def bottleneck(self) -> str:
        """The name of the busiest stage; empty before anything ran."""
        return max(self.stages, key=lambda stage: stage.busy).name if self.stages else ""


class Departure(NamedTuple):
    """An input that has left; a tuple, as one is made for each."""

    arrived_s: float
    left_s: float
    planned_period_s: float | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a pipeline has noted: for each stage its name, its replicas, how many inputs wait, and
    its latest calls; how many inputs have left, and the latest of them."""

    names: Sequence[str]
    replicas: Sequence[int]
    waiting: Sequence[int]
    calls: Sequence[Sequence[Call]]
    outputs: int
    departures: Sequence[Departure]

    def since(self, since_s: float) -> "Snapshot":
        """Without what began before."""
        calls = [[call for call in some if call.start_s >= since_s] for some in self.calls]
        departures = [each for each in self.departures if each.arrived_s >= since_s]
        return replace(self, calls=calls, departures=departures)

    def stages(self) -> Iterator[StageStats]:
        facts = zip(self.names, self.replicas, self.waiting, self.calls, strict=True)
        for name, replicas, waiting, calls in facts:
            took_s = [call.took_s for call in calls]
            elapsed_s = _elapsed_s(calls)
            busy = sum(took_s) / (replicas * elapsed_s) if elapsed_s else 0.0
            batches = dict(sorted(Counter(call.inputs for call in calls).items()))
            yield StageStats(name, replicas, busy, waiting, *percentiles(took_s), batches)


def _elapsed_s(calls: Sequence[Call]) -> float:
    ends = [time_s for call in calls for time_s in (call.start_s, call.end_s)]
    return max(ends) - min(ends) if ends else 0.0


def stream_stats(snapshots: Sequence[Snapshot]) -> StreamStats:
    """Of all pipelines of a session together."""
    departures = sorted(
        (each for snapshot in snapshots for each in snapshot.departures),
        key=lambda each: each.left_s,
    )[-LATEST:]
    p50_s, p99_s = percentiles([each.left_s - each.arrived_s for each in departures])
    planned_s = [each.planned_period_s for each in departures]
    known_s = [each for each in planned_s if each is not None]
    return StreamStats(
        tuple(stage for snapshot in snapshots for stage in snapshot.stages()),
        sum(snapshot.outputs for snapshot in snapshots),
        p50_s,
        p99_s,
        _period_s([each.left_s for each in departures]),
        statistics.fmean(known_s) if known_s and len(known_s) == len(planned_s) else None,
    )


def _period_s(left_s: Sequence[float]) -> float | None:
    """Those that left with the first one, in its batch, took no time that can be seen."""
    later = sum(each > left_s[0] for each in left_s)
    return (left_s[-1] - left_s[0]) / later if later else None


def stream_trace(snapshots: Sequence[Snapshot]) -> StreamTrace:
    """The latest calls of all pipelines, whose stages are numbered through."""
    names: list[str] = []
    found: list[Call] = []
    for snapshot in snapshots:
        for calls in snapshot.calls:
            found += [call._replace(stage=call.stage + len(names)) for call in calls]
        names += snapshot.names
    return StreamTrace(tuple(names), tuple(sorted(found, key=lambda call: call.end_s)))


def percentiles(samples: Sequence[float]) -> tuple[float, float]:
    """The median, and what 99 of 100 do not exceed; nought of no samples."""
    if not samples:
        return 0.0, 0.0
    ordered = sorted(samples)
    return statistics.median(ordered), ordered[-(len(ordered) // 100) - 1]

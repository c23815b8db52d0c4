"""Carry out a schedule over several hosts, segment by segment (segments.py)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from time import perf_counter
from typing import Any

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.plan import PlannedRun
from stagecut.compiler.ir.schedule import Run, Transfer
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.runtime.executor import Passage
from stagecut.runtime.hosts.cluster import Cluster
from stagecut.runtime.hosts.segments import Post, Posts, Segment
from stagecut.runtime.hosts.timeline import Timeline


class HostsExecutor:
    """Like an Executor, of a schedule over hosts; safe to call from several threads.

    `groups` are those of the schedule, each with its places, and `mend` sees to those whose hosts
    are lost. `planned` says what transfers were predicted to take.
    """

    def __init__(
        self,
        groups: Sequence[Posts],
        planned: PlannedRun,
        outputs: Sequence[str],
        cluster: Cluster,
        mend: Callable[[Sequence[Post]], None],
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._clock = clock
        self._slots: dict[str, int] = {}
        #: What hosts run of streams.
        self.timeline = Timeline()
        self.segments: list[Segment] = []
        for is_here, part in groupby(groups, key=attrgetter("is_here")):
            consecutive = [*part]
            apart = [[each] for each in consecutive] if is_here else [consecutive]
            self.segments += [self._segment(each, cluster, mend) for each in apart]
        written = {name for each in groups for name in each.group.writes}
        self._inputs = tuple(name for name in self._slots if name not in written)
        self._outputs = [(name, self._slot(name)) for name in outputs]
        self._add_last_uses()
        self._steps = _steps(planned, self.segments)
        self._ends = [*range(len(self.segments) + 1)]

    @property
    def devices(self) -> list[str]:
        """Those of each segment, for people."""
        return [" > ".join(dict.fromkeys(segment.devices)) for segment in self.segments]

    def outputs(self, feeds: Feeds) -> dict[str, Tensor]:
        slots = self._filled(feeds)
        for segment in self.segments:
            segment.as_planned(slots)
        return self._handed_back(slots)

    def by_stage(self, feeds: Feeds) -> Passage:
        """A segment at a time, each group at any of its places."""
        return Passage(self._filled(feeds), self.segments, self._ends, self._handed_back)

    def _handed_back(self, slots: Sequence[Any]) -> dict[str, Tensor]:
        return {name: slots[at] for name, at in self._outputs}

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        """As `outputs`, with what the run did. Stages are timed on their hosts; what else a segment
        takes is that of its transfers, which share it as they were predicted to."""
        clock, slots = self._clock, self._filled(feeds)
        start_s = clock()
        events: dict[int, Event] = {}
        for segment, steps in zip(self.segments, self._steps, strict=True):
            before_s = clock()
            stages_s = segment.as_planned(slots)
            events |= _events(steps, before_s - start_s, clock() - before_s, stages_s)
        outputs = self._handed_back(slots)
        return outputs, Trace(tuple(events[at] for at in sorted(events)), clock() - start_s)

    def _filled(self, feeds: Feeds) -> list[Any]:
        slots: list[Any] = [None] * len(self._slots)
        for name in self._inputs:
            slots[self._slots[name]] = feeds[name]
        return slots

    def _slot(self, name: str) -> int:
        return self._slots.setdefault(name, len(self._slots))

    def _segment(
        self, groups: Sequence[Posts], cluster: Cluster, mend: Callable[[Sequence[Post]], None]
    ) -> Segment:
        written = dict.fromkeys(name for each in groups for name in each.group.writes)
        read = dict.fromkeys(name for each in groups for name in each.group.reads)
        reads = [(name, self._slot(name)) for name in read if name not in written]
        writes = [(name, self._slot(name)) for name in written]
        return Segment(groups, cluster, mend, self.timeline, reads, writes)

    def _add_last_uses(self) -> None:
        """Tell each segment which values nobody needs behind it, and which do not come back."""
        needed = {at for _, at in self._outputs}
        for segment in reversed(self.segments):
            segment.writes = [(name, at) for name, at in segment.writes if at in needed]
            segment.gives_up = [at for _, at in segment.reads if at not in needed]
            needed |= {at for _, at in segment.reads}


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of the schedule, at its place: what its event says, and the part that it has of what a
    chain takes beside its stages, None for a stage."""

    index: int
    event: Event
    part: float | None = None


def _steps(planned: PlannedRun, segments: Sequence[Segment]) -> list[list[_Step]]:
    """Those of each segment. A transfer is one of the chain that its value comes from, or else of
    the one that it goes to."""
    schedule = planned.schedule
    found: list[list[_Step]] = [[] for _ in segments]
    of_stage = {stage: at for at, segment in enumerate(segments) for stage in segment.stages}
    producer = {
        port.name: stage for stage, each in enumerate(planned.stages) for port in each.outputs
    }
    for index, (step, cost, following) in enumerate(
        zip(schedule.steps, planned.account.steps, schedule.waiting, strict=True)
    ):
        if isinstance(step, Run):
            name, device = planned.stages[step.stage].program, schedule.stages[step.stage].device
            event = Event(name, "stage", "measured", 0.0, 0.0, 0.0, step.stage, device)
            found[of_stage[step.stage]].append(_Step(index, event))
            continue
        at = _chain_of(step, producer, of_stage, segments, following)
        stage = segments[at].stages[-1] if following is None else following
        event = Event(step.value, "transfer", "measured", 0.0, 0.0, 0.0, stage, route=step.route)
        found[at].append(_Step(index, event, cost.time_s))
    return found


def _chain_of(
    step: Transfer,
    producer: Mapping[str, int],
    of_stage: Mapping[int, int],
    segments: Sequence[Segment],
    following: int | None,
) -> int:
    made = producer.get(step.value)
    at = None if made is None else of_stage[made]
    if at is not None and not segments[at].is_here:
        return at
    later = of_stage[following] if following is not None else len(segments) - 1
    chains = [index for index, segment in enumerate(segments) if not segment.is_here]
    return next((index for index in chains if index >= later), chains[0])


def _events(
    steps: Sequence[_Step], start_s: float, wall_s: float, stages_s: Sequence[float]
) -> dict[int, Event]:
    """By the places of the steps, one behind the other."""
    rest_s = max(0.0, wall_s - math.fsum(stages_s))
    parts = [step.part for step in steps if step.part is not None]
    whole = math.fsum(parts)
    left = iter(stages_s)
    events = {}
    for step in steps:
        if step.part is None:
            took_s = next(left)
        else:
            took_s = rest_s * (step.part / whole if whole else 1 / len(parts))
        events[step.index] = replace(step.event, start_s=start_s, wall_s=took_s, duration_s=took_s)
        start_s += took_s
    return events

"""Carry out a schedule over several hosts: here what runs here, and in chains what does not.

    here: a    chain: b -> c    here: d        a chain is submitted whole, and its values go from
                                               host to host; what is needed here comes back

What a chain reads is kept until its answer has come, so that it can be submitted again.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from time import perf_counter
from typing import Any

from stagecut.compiler.ir.device import Backend, Feeds, Tensor
from stagecut.compiler.ir.errors import RangeFault, StageFault
from stagecut.compiler.ir.plan import PlannedRun
from stagecut.compiler.ir.schedule import Run, Transfer
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.runtime.executor import Executor, Passage
from stagecut.runtime.hosts.cluster import Cluster, Handle, Ref, writable
from stagecut.runtime.hosts.groups import HostGroup
from stagecut.runtime.hosts.member import HostFault


@dataclass(frozen=True, slots=True)
class Remote:
    """A group and the member that runs it."""

    group: HostGroup
    member: Handle


class HostsExecutor:
    """Like an Executor, of a schedule over hosts; safe to call from several threads.

    `groups` are those of the schedule, each with its member, None where it runs here. `engines` are
    this host's. `planned` says what transfers were predicted to take.
    """

    def __init__(
        self,
        groups: Sequence[tuple[HostGroup, Handle | None]],
        planned: PlannedRun,
        outputs: Sequence[str],
        engines: Mapping[str, Backend],
        cluster: Cluster,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._clock = clock
        self._inputs: tuple[str, ...] = ()
        self._slots: dict[str, int] = {}
        self.segments: list[_Here | _Chain] = []
        for is_here, part in groupby(groups, key=lambda pair: pair[0].is_here):
            if is_here:
                self.segments += [self._here(group, engines) for group, _ in part]
            else:
                self.segments.append(self._chain([Remote(*pair) for pair in part], cluster))
        self._inputs = tuple(name for name in self._slots if name not in {*self._written(groups)})
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
            segment(slots)
        return {name: slots[at] for name, at in self._outputs}

    def by_stage(self, feeds: Feeds) -> Passage:
        """A segment at a time."""
        return Passage(self._filled(feeds), self.segments, self._ends, self._outputs)

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        """As `outputs`, with what the run did. Stages are timed on their hosts; what else a chain
        takes is that of its transfers, which share it as they were predicted to."""
        clock, slots = self._clock, self._filled(feeds)
        start_s = clock()
        events: dict[int, Event] = {}
        for segment, steps in zip(self.segments, self._steps, strict=True):
            before_s = clock()
            stages_s = segment(slots)
            events |= _events(steps, before_s - start_s, clock() - before_s, stages_s)
        outputs = {name: slots[at] for name, at in self._outputs}
        return outputs, Trace(tuple(events[at] for at in sorted(events)), clock() - start_s)

    def _filled(self, feeds: Feeds) -> list[Any]:
        slots: list[Any] = [None] * len(self._slots)
        for name in self._inputs:
            slots[self._slots[name]] = feeds[name]
        return slots

    def _slot(self, name: str) -> int:
        return self._slots.setdefault(name, len(self._slots))

    def _here(self, group: HostGroup, engines: Mapping[str, Backend]) -> "_Here":
        executor = Executor(group.staged, group.writes, engines)
        reads, writes = (
            [(name, self._slot(name)) for name in names] for names in (group.reads, group.writes)
        )
        return _Here(group, executor, reads, writes)

    def _chain(self, remotes: Sequence[Remote], cluster: Cluster) -> "_Chain":
        written = dict.fromkeys(name for remote in remotes for name in remote.group.writes)
        read = dict.fromkeys(name for remote in remotes for name in remote.group.reads)
        reads = [(name, self._slot(name)) for name in read if name not in written]
        writes = [(name, self._slot(name)) for name in written]
        return _Chain(remotes, cluster, reads, writes)

    @staticmethod
    def _written(groups: Sequence[tuple[HostGroup, object]]) -> set[str]:
        return {name for group, _ in groups for name in group.writes}

    def _add_last_uses(self) -> None:
        """Tell each segment which values nobody needs behind it, and which do not come back."""
        needed = {at for _, at in self._outputs}
        for segment in reversed(self.segments):
            segment.writes = [(name, at) for name, at in segment.writes if at in needed]
            segment.gives_up = [at for _, at in segment.reads if at not in needed]
            needed |= {at for _, at in segment.reads}


class _Here:
    """A group that runs in this process."""

    def __init__(
        self,
        group: HostGroup,
        executor: Executor,
        reads: list[tuple[str, int]],
        writes: list[tuple[str, int]],
    ) -> None:
        self.stages = range(group.first, group.first + len(group.devices))
        self.devices = group.devices
        self.reads, self.writes, self.gives_up = reads, writes, list[int]()
        self.window = 1
        self._executor = executor

    def __call__(self, slots: list[Any]) -> list[float]:
        """The seconds of each stage."""
        outputs, trace = self._executor.run({name: slots[at] for name, at in self.reads})
        for name, at in self.writes:
            slots[at] = outputs[name]
        for at in self.gives_up:
            slots[at] = None
        return [event.wall_s for event in trace.events]


#: What requests in flight may take in the stores of a chain's hosts, and how many there are at
#: most for each of its groups: one that runs, and one on each side of it.
_WINDOW_BYTES = 48 << 20
_IN_FLIGHT = 3


class _Chain:
    """Groups on other hosts, one after the other."""

    def __init__(
        self,
        remotes: Sequence[Remote],
        cluster: Cluster,
        reads: list[tuple[str, int]],
        writes: list[tuple[str, int]],
    ) -> None:
        groups = [remote.group for remote in remotes]
        self.stages = range(groups[0].first, groups[-1].first + len(groups[-1].devices))
        self.devices = tuple(device for group in groups for device in group.devices)
        self.reads, self.writes, self.gives_up = reads, writes, list[int]()
        largest = max(1, *(group.reads_bytes for group in groups))
        self.window = max(1, min(_IN_FLIGHT * len(groups), _WINDOW_BYTES // largest))
        self._remotes = remotes
        self._cluster = cluster

    def __call__(self, slots: list[Any]) -> list[float]:
        """The seconds of each stage, on its host."""
        times_s, tensors = self._cluster.again(partial(self._answer, slots))
        for (_, at), tensor in zip(self.writes, tensors, strict=True):
            slots[at] = tensor
        for at in self.gives_up:
            slots[at] = None
        return [float(each) for part in times_s for each in part]

    def _answer(self, slots: Sequence[Any]) -> tuple[list[Tensor], list[Tensor]]:
        known: dict[str, Ref] = {name: slots[at] for name, at in self.reads}
        timed: list[Ref] = []
        for group, member in ((each.group, each.member) for each in self._remotes):
            arguments = [known[name] for name in group.reads]
            *refs, times = self._cluster.submit(member, "run", arguments, len(group.writes) + 1)
            known |= zip(group.writes, refs, strict=True)
            timed.append(times)
        wanted = [known[name] for name, _ in self.writes]
        try:
            results = self._cluster.get([*timed, *wanted])
        except HostFault as error:
            raise self._fault(error) from error
        return results[: len(timed)], [writable(each) for each in results[len(timed) :]]

    def _fault(self, error: HostFault) -> StageFault:
        kind = RangeFault if error.is_range else StageFault
        problem = f"{error.problem} ({error.where})" if error.where else error.problem
        fault = kind(problem, stage=self.stages[0], device=" > ".join(self.devices))
        fault.fix = error.fix or fault.fix
        return fault


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of the schedule, at its place: what its event says, and the part that it has of what a
    chain takes beside its stages, None for a stage."""

    index: int
    event: Event
    part: float | None = None


def _steps(planned: PlannedRun, segments: Sequence[_Here | _Chain]) -> list[list[_Step]]:
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
    segments: Sequence[_Here | _Chain],
    following: int | None,
) -> int:
    made = producer.get(step.value)
    at = None if made is None else of_stage[made]
    if at is not None and isinstance(segments[at], _Chain):
        return at
    later = of_stage[following] if following is not None else len(segments) - 1
    chains = [index for index, segment in enumerate(segments) if isinstance(segment, _Chain)]
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

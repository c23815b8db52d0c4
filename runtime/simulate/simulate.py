"""A stream on a modelled machine: the runtime's own scheduler under a virtual clock.

    arrive, admit, begin      as the runtime asks it, as if all threads were there
    sharing                   how fast the segments of the calls flow until the next event
    clock                     jumps there: a segment is over, and with the last one its call; or an
                              input is due

What is decided (who runs what next, batches, how many are in flight) is decided by the object that
decides it when the stream is real; only what a call takes is modelled.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from stagecut.compiler.ir.fluid import Pool, Segment
from stagecut.compiler.ir.stream_trace import Call, StreamTrace
from stagecut.runtime.scheduler import Scheduler, Start
from stagecut.runtime.simulate.sharing import Sharing

#: Segments that end within that part of a step end together, whatever the rounding.
_TOGETHER = 1e-12


class Calls(Protocol):
    """What calls are made of on the modelled machine."""

    def __call__(self, stage: int, replica: int, inputs: int) -> Sequence[Segment]:
        """The segments of a call of that replica with so many inputs, one at least, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Simulation:
    """Every call, and when each input left, in the order in which they did; `replicas` in all."""

    trace: StreamTrace
    left_s: tuple[float, ...]
    replicas: int
    batch: int

    @property
    def period_s(self) -> float:
        """Seconds from one input to the next, without those with which the stream was filled: each
        replica could have handed back a batch before."""
        first = self.replicas * self.batch - 1
        return (self.left_s[-1] - self.left_s[first]) / (len(self.left_s) - 1 - first)


@dataclass(slots=True)
class _Running:
    """A call, what is left of it, and how much of its segment is still to come."""

    start: Start[int]
    start_s: float
    segments: list[Segment]  # the next one last
    left: float = 1.0


def simulate(
    calls: Calls,
    pools: Sequence[Pool],
    replicas: Sequence[int],
    *,
    inputs: int,
    limit: int,
    batches: Sequence[int] = (),
    spacing_s: float = 0.0,
) -> Simulation:
    """Keep stages of so many replicas full, with `limit` in flight at most, until so many `inputs`
    have left: more than one batch for each replica. Without `batches`, each stage takes one input
    in a call; where they differ, as many as that or one.

    Of the first `limit` inputs one comes every `spacing_s`, as replicas that begin all at once
    would go on in step for ever. Deterministic.
    """
    every, batch = sum(replicas), max(batches, default=1)
    if inputs <= every * batch:
        raise AssertionError((inputs, every, batch))
    full = len({*batches}) > 1
    scheduler: Scheduler[int] = Scheduler(replicas, batches=batches, limit=limit, full=full)
    machine = _Machine(calls, pools, replicas, scheduler)
    machine.run(inputs, spacing_s)
    stages = tuple(f"stage {stage}" for stage in range(len(replicas)))
    trace = StreamTrace(stages, tuple(machine.ended))
    return Simulation(trace, tuple(machine.left_s), every, batch)


class _Machine:
    """The modelled machine at one moment."""

    def __init__(
        self,
        calls: Calls,
        pools: Sequence[Pool],
        replicas: Sequence[int],
        scheduler: Scheduler[int],
    ) -> None:
        self._calls = calls
        self._scheduler = scheduler
        self._sharing = Sharing(pools, sum(replicas))
        self._first_slot = [0, *accumulate(replicas)]
        self._last_stage = len(replicas) - 1
        self._running: dict[int, _Running] = {}
        self._now_s = 0.0
        self.ended: list[Call] = []
        self.left_s: list[float] = []

    def run(self, inputs: int, spacing_s: float) -> None:
        arrived = 0
        while len(self.left_s) < inputs:
            due_s = math.inf
            while self._scheduler.has_room:
                if arrived < self._scheduler.limit and self._now_s < spacing_s * arrived:
                    due_s = spacing_s * arrived
                    break
                self._scheduler.arrive(arrived, None)
                arrived += 1
            self._begin()
            self._advance(due_s)

    def _begin(self) -> None:
        self._scheduler.admit()
        for start in self._scheduler.begin():
            slot = self._first_slot[start.stage] + start.replica
            segments = [*self._calls(start.stage, start.replica, len(start.inputs))][::-1]
            self._running[slot] = _Running(start, self._now_s, segments)
            self._sharing.begin(slot, segments[-1])

    def _advance(self, due_s: float) -> None:
        """To the next event: the end of a segment, or an input that is due."""
        took_s = self._sharing.settle()
        left_s = {slot: each.left * float(took_s[slot]) for slot, each in self._running.items()}
        next_s = min(left_s.values(), default=math.inf)
        step_s = min(next_s, due_s - self._now_s)
        self._now_s = due_s if step_s < next_s else self._now_s + step_s
        for slot in sorted(self._running):
            if left_s[slot] <= step_s * (1 + _TOGETHER):
                self._end_segment(slot)
            else:
                self._running[slot].left -= step_s / float(took_s[slot])

    def _end_segment(self, slot: int) -> None:
        """Go on with the next one, or hand the inputs on."""
        running = self._running[slot]
        running.segments.pop()
        if running.segments:
            running.left = 1.0
            self._sharing.begin(slot, running.segments[-1])
            return
        del self._running[slot]
        self._sharing.end(slot)
        start, size = running.start, len(running.start.inputs)
        self._scheduler.end(start)
        self.ended.append(Call(start.stage, start.replica, size, running.start_s, self._now_s))
        if start.stage == self._last_stage:
            self.left_s += [self._now_s] * size

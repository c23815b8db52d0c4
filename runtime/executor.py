"""Runs stages one after the other, moves values between memories, and keeps the time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from stagecut.compiler.ir.device import Backend, Executable, Feeds, LinkDriver, Tensor
from stagecut.compiler.ir.errors import RangeFault, StagecutError, StageFault, ValueRangeError
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.schedule import Stage, Watch
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.runtime.schedule import Held, Move, Run, schedule
from stagecut.runtime.transfers import Roads


@dataclass(frozen=True, slots=True)
class _Action:
    """A step of the schedule with what carries it out. Tensors are held in numbered slots."""

    step: Move | Run
    run: Executable
    name: str
    track: str
    modelled_s: float | None
    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    release: tuple[int, ...] = ()

    def __call__(self, slots: list[Any]) -> None:
        results = self.run([slots[at] for at in self.reads])
        for at, tensor in zip(self.writes, results, strict=True):
            slots[at] = tensor
        for at in self.release:
            slots[at] = None


class Executor:
    """Prepared stages. `run` may be called from several threads: it keeps nothing between calls.

    `watch` is told about every call of an engine, for one thread.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        outputs: Sequence[str],
        backends: Mapping[str, Backend],
        clock: Callable[[], float] = perf_counter,
        watch: Watch | None = None,
    ) -> None:
        memory_of = {name: backend.memory.name for name, backend in backends.items()}
        roads = Roads(backends.values())
        ready = [
            _watched(watch, index, _guarded(backends[stage.device], stage, index, watch))
            for index, stage in enumerate(stages)
        ]
        self._clock = clock
        actions = [
            _move_action(step, roads)
            if isinstance(step, Move)
            else _run_action(step, stages, ready)
            for step in schedule(stages, memory_of, outputs, roads.route)
        ]
        slots = _Slots()
        self._inputs = [(slots[Held(name, HOST)], name) for name in _fed_from_outside(stages)]
        self._outputs = [(name, slots[Held(name, HOST)]) for name in outputs]
        self._actions = [slots.placed(action) for action in actions]
        self._count = len(slots)

    def outputs(self, feeds: Feeds) -> dict[str, Tensor]:
        """The outputs by name. `feeds` must name every input."""
        slots = self._filled(feeds)
        for action in self._actions:
            action(slots)
        return {name: slots[at] for name, at in self._outputs}

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        """As `outputs`, with what the run did and when."""
        clock = self._clock
        slots = self._filled(feeds)
        events: list[Event] = []
        start_s = clock()
        for action in self._actions:
            before_s = clock()
            action(slots)
            events.append(_event(action, before_s - start_s, clock() - before_s))
        outputs = {name: slots[at] for name, at in self._outputs}
        return outputs, Trace(tuple(events), clock() - start_s)

    def _filled(self, feeds: Feeds) -> list[Any]:
        slots: list[Any] = [None] * self._count
        for at, name in self._inputs:
            slots[at] = feeds[name]
        return slots


class _Slots(dict[Held, int]):
    """Numbers what is held as it is asked for."""

    def __missing__(self, held: Held) -> int:
        return self.setdefault(held, len(self))

    def placed(self, action: _Action) -> _Action:
        step = action.step
        reads, writes, release = (
            tuple(self[held] for held in some) for some in (step.reads, step.writes, step.release)
        )
        return replace(action, reads=reads, writes=writes, release=release)


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A prepared stage whose engine's own errors become StageFaults."""

    execute: Executable
    stage: int
    device: str

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        try:
            return self.execute(inputs)
        except Exception as error:  # engines' exceptions share no base class
            raise _fault(error, self.stage, self.device) from error


def _guarded(backend: Backend, stage: Stage, index: int, watch: Watch | None) -> Executable:
    if watch is not None:
        watch.enter(index)
    try:
        return _Guarded(backend.prepare(stage.program), index, stage.device)
    except Exception as error:  # engines' exceptions share no base class
        raise _fault(error, index, stage.device) from error
    finally:
        if watch is not None:
            watch.leave()


@dataclass(frozen=True, slots=True)
class _Watched:
    execute: Executable
    stage: int
    watch: Watch

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        self.watch.enter(self.stage)
        try:
            return self.execute(inputs)
        finally:
            self.watch.leave()


def _watched(watch: Watch | None, stage: int, execute: Executable) -> Executable:
    return execute if watch is None else _Watched(execute, stage, watch)


def _fault(error: Exception, stage: int, device: str) -> StageFault:
    if isinstance(error, ValueRangeError):  # of the inputs' making, not the engine's
        return RangeFault(error.problem, stage=stage, device=device)
    problem = error.problem if isinstance(error, StagecutError) else f"failed: {error}"
    return StageFault(problem or type(error).__name__, stage=stage, device=device)


def _event(action: _Action, start_s: float, wall_s: float) -> Event:
    return Event(
        name=action.name,
        kind="copy" if isinstance(action.step, Move) else "stage",
        track=action.track,
        basis="measured" if action.modelled_s is None else "modelled",
        start_s=start_s,
        wall_s=wall_s,
        duration_s=wall_s if action.modelled_s is None else action.modelled_s,
        stage=action.step.stage,
    )


def _run_action(step: Run, stages: Sequence[Stage], ready: Sequence[Executable]) -> _Action:
    stage = stages[step.stage]
    return _Action(step, ready[step.stage], stage.program.name, stage.device, stage.modelled_s)


def _move_action(step: Move, roads: Roads) -> _Action:
    driver = roads.driver(step.source, step.target)
    estimate = driver.estimate(step.value)
    modelled_s = None if estimate is None else estimate.run_s
    track = f"{step.source}>{step.target}"
    return _Action(step, _Carrier(driver), step.value.name, track, modelled_s)


@dataclass(frozen=True, slots=True)
class _Carrier:
    """A link in the shape of an executable with one input and one output."""

    driver: LinkDriver

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        return [self.driver.move(inputs[0])]


def _fed_from_outside(stages: Sequence[Stage]) -> tuple[str, ...]:
    written: set[str] = set()
    fed: dict[str, None] = {}
    for stage in stages:
        fed.update({v.name: None for v in stage.program.inputs if v.name not in written})
        written.update(v.name for v in stage.program.outputs)
    return tuple(fed)

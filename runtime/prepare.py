"""Prepare stages on their engines; whatever an engine raises becomes an error of that stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.device import (
    Backend,
    Executable,
    StagedSchedule,
    StageProgram,
    Tensor,
    Watch,
)
from stagecut.compiler.ir.errors import RangeFault, StagecutError, StageFault, ValueRangeError


def prepare_stages(
    staged: StagedSchedule, backends: Mapping[str, Backend], watch: Watch | None = None
) -> list[Executable]:
    """The executable of each stage, whose errors are StageFaults; raises StageFault itself where
    an engine refuses a stage.

    `watch` is told about every call of an engine, for one thread.
    """
    stages = zip(staged.schedule.stages, staged.programs, strict=True)
    return [
        _prepared(backends[stage.device], program, _Place(index, stage.device), watch)
        for index, (stage, program) in enumerate(stages)
    ]


@dataclass(frozen=True, slots=True)
class _Place:
    """The stage that an error belongs to."""

    stage: int
    device: str

    def fault(self, error: Exception) -> StageFault:
        if isinstance(error, ValueRangeError):  # it is the inputs that the engine cannot take
            return RangeFault(error.problem, stage=self.stage, device=self.device)
        problem = error.problem if isinstance(error, StagecutError) else f"failed: {error}"
        problem = problem or type(error).__name__
        return StageFault(problem, stage=self.stage, device=self.device)


def _prepared(
    backend: Backend, program: StageProgram, place: _Place, watch: Watch | None
) -> Executable:
    if watch is not None:
        watch.enter(place.stage)
    try:
        execute = backend.prepare(program)
    except Exception as error:  # engines' exceptions share no base class
        raise place.fault(error) from error
    finally:
        if watch is not None:
            watch.leave()
    guarded = _Guarded(execute, place)
    return guarded if watch is None else _Watched(guarded, place.stage, watch)


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A prepared stage; whatever its engine raises becomes a StageFault."""

    execute: Executable
    place: _Place

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        try:
            return self.execute(inputs)
        except Exception as error:  # engines' exceptions share no base class
            raise self.place.fault(error) from error


@dataclass(frozen=True, slots=True)
class _Watched:
    """A prepared stage that tells a watch of each call."""

    execute: Executable
    stage: int
    watch: Watch

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        self.watch.enter(self.stage)
        try:
            return self.execute(inputs)
        finally:
            self.watch.leave()

"""Prepare stages on their engines, and look at every answer of an engine once, at this border.

Whatever an engine raises, and whatever it hands back that is not what its stage's model declares,
becomes a StageFault of that stage.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import ParamSpec, Protocol, TypeVar

import numpy as np

from stagecut.compiler.ir.device import (
    Backend,
    Executable,
    LinkDriver,
    StagedSchedule,
    StageProgram,
    Tensor,
    Watch,
)
from stagecut.compiler.ir.machine import HOST
from stagecut.runtime.form import ANY, Form, form_of
from stagecut.runtime.place import Place
from stagecut.runtime.wary import Wary

#: Kinds of what is called as it is.
_BOUND = (FunctionType, MethodType, BuiltinFunctionType)

Asked = ParamSpec("Asked")
Answer_co = TypeVar("Answer_co", covariant=True)


def prepare_stages(
    staged: StagedSchedule,
    backends: Mapping[str, Backend],
    watch: Watch | None = None,
    *,
    wary: bool = False,
) -> list[Executable]:
    """The executable of each stage, whose errors are StageFaults; raises StageFault itself where
    an engine refuses a stage.

    `watch` is told about every call of an engine, for one thread. Where one is `wary`, the first
    two calls of each stage are looked at for what it does to arrays that are not its own.
    """
    stages = zip(staged.schedule.stages, staged.programs, strict=True)
    places = [
        (Place(index, stage.device), program) for index, (stage, program) in enumerate(stages)
    ]
    ready = [_prepared(backends[place.device], program, place, watch) for place, program in places]
    if not wary:
        return ready
    return [Wary(each, place) for each, (place, _) in zip(ready, places, strict=True)]


def _prepared(
    backend: Backend, program: StageProgram, place: Place, watch: Watch | None
) -> Executable:
    try:
        if watch is not None:
            watch.enter(place.stage)
        execute: object = backend.prepare(program)
    except BaseException as error:  # engines raise what they like
        raise place.fault(error) from error
    finally:
        if watch is not None:
            watch.leave()
    if not callable(execute):
        raise place.wrong(f"prepared a {type(execute).__name__}, which cannot be called")
    guarded = _guarded(execute, place, _forms(backend, program))
    return guarded if watch is None else _Watched(guarded, place.stage, watch)


def _forms(backend: Backend, program: StageProgram) -> tuple[Form, ...]:
    """What is known of the outputs: in a memory of its own, a device has its own number formats."""
    if backend.memory.name != HOST:
        return tuple(Form(value.name) for value in program.outputs)
    return tuple(map(form_of, program.model.graph.outputs))


class _Called(Protocol[Asked, Answer_co]):
    def __call__(self, *asked: Asked.args, **named: Asked.kwargs) -> Answer_co: ...


def bound(function: _Called[Asked, Answer_co]) -> _Called[Asked, Answer_co]:
    """The same, quicker to call where it is an object that has a `__call__`: 0.2 µs."""
    if type(function) in _BOUND:
        return function
    return function.__call__


def _guarded(execute: Executable, place: Place, forms: tuple[Form, ...]) -> Executable:
    """A prepared stage; whatever its engine raises, or hands back that is no result of the stage,
    becomes a StageFault.

    Called in every run, so that it looks first whether all is as it is nearly always: a list of one
    array of the very type and shape that the model has. That takes 60 ns.
    """
    execute = bound(execute)
    look = _Look(place, forms)
    dtype, shape = (forms[0].dtype, forms[0].shape) if len(forms) == 1 else (None, None)

    def call(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        try:
            results = execute(inputs)
        except BaseException as error:  # engines raise what they like
            raise place.fault(error) from error
        if type(results) is list and len(results) == 1:
            tensor = results[0]
            if type(tensor) is np.ndarray and tensor.dtype is dtype and tensor.shape == shape:
                return results
        return look(results)

    return call


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks at what is handed back for a stage with outputs of these forms."""

    place: Place
    forms: tuple[Form, ...]

    def __call__(self, results: object) -> Sequence[Tensor]:
        if not isinstance(results, list | tuple):
            raise self.place.wrong(f"handed back a {type(results).__name__}, not a list of arrays")
        if len(results) != len(self.forms):
            raise self.place.wrong(
                f"handed back {len(results)} arrays, and the stage has {len(self.forms)} outputs"
            )
        found: dict[object, tuple[int, ...]] = {}  # by what their forms have alike
        for tensor, form in zip(results, self.forms, strict=True):
            alike = form.dtype, form.dims
            if type(tensor) is np.ndarray and form.dtype is tensor.dtype:
                if found.get(alike) == tensor.shape:  # as of all states of a decoder
                    continue
                found[alike] = tensor.shape
            misfit = form.misfit(tensor)
            if misfit:
                raise self.place.wrong(misfit)
        return results


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


def guarded_transfer(
    driver: LinkDriver, place: Place, form: Form = ANY, watch: Watch | None = None
) -> Callable[[Tensor], Tensor]:
    """The transfers of a link; what goes wrong in one is a fault of the stage at `place`.

    `form` is that of the value where it arrives.
    """

    def transfer(tensor: Tensor) -> Tensor:
        try:
            if watch is not None:
                watch.enter(place.stage)
            arrived = driver.transfer(tensor)
        except BaseException as error:  # drivers raise what they like
            raise place.fault(error) from error
        finally:
            if watch is not None:
                watch.leave()
        misfit = form.misfit(arrived)
        if misfit:
            raise place.wrong(f"after its transfer {driver.source} > {driver.target}: {misfit}")
        return arrived

    return transfer

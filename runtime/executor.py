"""Carry out a schedule as it stands, step by step, and take the time of each step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from operator import itemgetter
from time import perf_counter
from typing import Any, Literal

import numpy as np

from stagecut.compiler.ir.device import (
    Backend,
    Executable,
    Feeds,
    LinkDriver,
    StagedSchedule,
    Tensor,
    Watch,
)
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import HOST, Route
from stagecut.compiler.ir.schedule import Run, Step, Transfer
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.runtime.form import ANY, Form, form_of
from stagecut.runtime.place import Place
from stagecut.runtime.prepare import bound, guarded_transfer, prepare_stages
from stagecut.runtime.slots import Slots, Touched


class Executor:
    """A prepared schedule, safe to call from several threads: it keeps nothing between calls.

    `outputs` are handed back from the host's memory; of states in another one, what lies there is
    looked at, which is no transfer of the schedule. `watch` is told about every call of an engine,
    for one thread, and `wary` is as of prepare_stages. Raises StageFault where an engine refuses a
    stage, DeviceError where a device or a link of the schedule is not there.
    """

    def __init__(
        self,
        staged: StagedSchedule,
        outputs: Sequence[str],
        backends: Mapping[str, Backend],
        clock: Callable[[], float] = perf_counter,
        watch: Watch | None = None,
        *,
        wary: bool = False,
    ) -> None:
        steps = staged.schedule.steps
        memory_of = {name: each.memory.name for name, each in backends.items()}
        slots = Slots(staged, outputs, memory_of)
        ready = prepare_stages(staged, backends, watch, wary=wary)
        drivers = link_drivers(backends.values())
        transfers = _Transfers(staged, memory_of, drivers, watch)
        self._clock = clock
        self._inputs = slots.inputs
        self._outputs = slots.outputs
        self._looks = [
            (name, transfers(Transfer(name, Route(staged.homes[name], HOST)), None))
            for name, _ in slots.outputs
            if name in staged.homes
        ]
        self._empty = [None] * slots.count
        self._kinds = _kinds(staged)
        self._actions: list[_RunStage | _TransferValue] = [
            _RunStage(step.stage, ready[step.stage], touched)
            if isinstance(step, Run)
            else _TransferValue(transfers(step, following), touched)
            for step, following, touched in zip(
                steps, staged.schedule.waiting, slots.touched, strict=True
            )
        ]
        self._calls = [*map(bound, self._actions)]
        self._ends = _ends(staged, memory_of)

    def with_stages(self, stages: Sequence[Executable]) -> "Executor":
        """The same schedule, whose stages run so: elsewhere, for instance."""
        other = copy(self)
        other._actions = [
            action.by(stages) if isinstance(action, _RunStage) else action
            for action in self._actions
        ]
        other._calls = [*map(bound, other._actions)]
        return other

    def outputs(self, feeds: Feeds) -> dict[str, Tensor]:
        """The outputs by name. `feeds` must name every input."""
        slots = self._filled(feeds)
        for call in self._calls:
            call(slots)
        return self._handed_back(slots)

    def _handed_back(self, slots: Sequence[Any]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, at in self._outputs:
            found[name] = slots[at]
        for name, look in self._looks:
            found[name] = look(found[name])
        return found

    def by_stage(self, feeds: Feeds) -> "Passage":
        """As `outputs`, a stage at a time, each in any thread."""
        return self._passing(self._filled(feeds), 0)

    def joined(self, passages: Sequence["Passage"]) -> "Passage":
        """One passage of several, which are before the same stage of schedules like this one: what
        they hand on there is stacked on axis 0. Raises ValueError where it cannot be."""
        values = zip(*(each.slots for each in passages), strict=True)
        slots = [None if some[0] is None else np.concatenate(some) for some in values]
        return self._passing(slots, passages[0].stage)

    def part(self, passage: "Passage", at: int, of: int) -> "Passage":
        """The passage of the rows `at` of `of` inputs that are stacked in another one, which stays
        as it is: these are views. Raises ValueError where they cannot be told."""
        slots = [None if each is None else _rows(each, at, of) for each in passage.slots]
        return self._passing(slots, passage.stage)

    def _passing(self, slots: list[Any], stage: int) -> "Passage":
        return Passage(slots, self._actions, self._ends, self._handed_back, stage)

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        """As `outputs`, with what the run did and when."""
        clock = self._clock
        slots = self._filled(feeds)
        events: list[Event] = []
        start_s = clock()
        for action, kind in zip(self._actions, self._kinds, strict=True):
            before_s = clock()
            action(slots)
            events.append(kind.event(before_s - start_s, clock() - before_s))
        end_s = clock()
        return self._handed_back(slots), Trace(tuple(events), end_s - start_s)

    def _filled(self, feeds: Feeds) -> list[Any]:
        slots: list[Any] = self._empty.copy()
        for name, at in self._inputs:
            slots[at] = feeds[name]
        return slots


class Passage:
    """The way of some inputs through the stages of a schedule, each with its transfers: a stage in
    a memory of its own brings what it reads from the host's, and takes back what it writes."""

    __slots__ = ("_actions", "_ends", "_handed_back", "slots", "stage")

    def __init__(
        self,
        slots: list[Any],
        actions: Sequence[Callable[[list[Any]], object]],
        ends: Sequence[int],
        handed_back: Callable[[Sequence[Any]], dict[str, Tensor]],
        stage: int = 0,
    ) -> None:
        """It is before `stage`, with the values in `slots` that stages from there on read."""
        self.slots = slots
        self._actions = actions
        self._ends = ends
        self._handed_back = handed_back
        self.stage = stage

    def advance(self) -> bool:
        """Run the next stage; whether it was the last."""
        first, end = self._ends[self.stage : self.stage + 2]
        for action in self._actions[first:end]:
            action(self.slots)
        self.stage += 1
        return self.stage == len(self._ends) - 1

    def outputs(self) -> dict[str, Tensor]:
        """By name, once the last stage has run."""
        return self._handed_back(self.slots)


def _rows(tensor: Tensor, at: int, of: int) -> Tensor:
    """Those of one input of several that are stacked on axis 0."""
    rows, left = divmod(len(tensor), of)
    if left:
        raise ValueError(f"{len(tensor)} rows of {of} inputs")
    return tensor[at * rows : (at + 1) * rows]


def _ends(staged: StagedSchedule, memory_of: Mapping[str, str]) -> list[int]:
    """Where the steps of each stage begin, and where the last one's end; one stage at the least.

    What is between two stages belongs to the second one, but for what comes back from the first
    one's own memory.
    """
    steps, stages = staged.schedule.steps, staged.schedule.stages
    ends = [0]
    for index, step in enumerate(steps):
        if isinstance(step, Run) and step.stage < len(stages) - 1:
            memory = memory_of[stages[step.stage].device]
            back = takewhile(partial(_comes_from, memory), steps[index + 1 :])
            ends.append(index + 1 + len([*back]))
    return [*ends, len(steps)]


def _comes_from(memory: str, step: Step) -> bool:
    return isinstance(step, Transfer) and step.route.source == memory != HOST


class _RunStage:
    """Runs one stage. Called in every run: all look-ups are done in the constructor."""

    __slots__ = ("_execute", "_gives_up", "_read", "_stage", "_touched", "_writes")

    def __init__(self, stage: int, execute: Executable, touched: Touched) -> None:
        self._stage = stage
        self._execute = execute
        self._touched = touched
        self._read = _reader(touched.reads)
        self._writes = slice(touched.writes.start, touched.writes.stop)
        self._gives_up = touched.gives_up

    def by(self, stages: Sequence[Executable]) -> "_RunStage":
        """The same of the stage among these."""
        return _RunStage(self._stage, stages[self._stage], self._touched)

    def __call__(self, slots: list[Any]) -> None:
        slots[self._writes] = self._execute(self._read(slots))
        for at in self._gives_up:
            slots[at] = None


def _reader(reads: Sequence[int]) -> Callable[[list[Any]], Sequence[Tensor]]:
    """What lies in these slots; a slice of them, where they are side by side."""
    first = reads[0] if reads else 0
    if [*reads] == [*range(first, first + len(reads))]:
        return itemgetter(slice(first, first + len(reads)))
    return itemgetter(*reads)


class _TransferValue:
    """Transfers one value."""

    __slots__ = ("_gives_up", "_source", "_target", "_transfer")

    def __init__(self, transfer: Callable[[Tensor], Tensor], touched: Touched) -> None:
        self._transfer = transfer
        (self._source,), (self._target,), self._gives_up = touched

    def __call__(self, slots: list[Any]) -> None:
        slots[self._target] = self._transfer(slots[self._source])
        for at in self._gives_up:
            slots[at] = None


def link_drivers(backends: Iterable[Backend]) -> dict[Route, LinkDriver]:
    """The driver of each route."""
    links = (driver for backend in backends for driver in backend.links)
    return {Route(driver.source, driver.target): driver for driver in links}


class _Transfers:
    """Finds the driver of each transfer, and the stage to which its faults belong: the one on the
    device that brought the link, at its far end."""

    def __init__(
        self,
        staged: StagedSchedule,
        memory_of: Mapping[str, str],
        drivers: Mapping[Route, LinkDriver],
        watch: Watch | None,
    ) -> None:
        self._stages = staged.schedule.stages
        self._memory_of = memory_of
        self._drivers = drivers
        self._watch = watch
        self._producer: dict[str, int] = {}
        self._forms: dict[str, Form] = {}
        for index, program in enumerate(staged.programs):
            values = zip(program.outputs, program.model.graph.outputs, strict=True)
            for value, declared in values:
                self._producer[value.name] = index
                self._forms[value.name] = form_of(declared)

    def __call__(self, step: Transfer, following: int | None) -> Callable[[Tensor], Tensor]:
        """`following` is the stage that runs next. Raises DeviceError where there is no link."""
        driver = self._driver(step.value, step.route)
        form = self._forms.get(step.value, ANY) if step.route.target == HOST else ANY
        place = self._place(step, following)
        return guarded_transfer(driver, place, form, self._watch)

    def _driver(self, value: str, route: Route) -> LinkDriver:
        """Raises DeviceError where there is no link."""
        if route not in self._drivers:
            source, target = route
            raise DeviceError(
                f"no link leads straight from memory {source!r} to {target!r}",
                where=f"transfer of {value}",
                fix="add a device whose links join the two",
            )
        return self._drivers[route]

    def _place(self, step: Transfer, following: int | None) -> Place:
        reader, writer = following, self._producer.get(step.value)
        ends = [at for at in (reader, writer, len(self._stages) - 1) if at is not None]
        far = set(step.route) - {HOST}
        at = next((at for at in ends if self._memory_of[self._stages[at].device] in far), ends[0])
        return Place(at, self._stages[at].device)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Everything in the events of a step that is the same in every run."""

    name: str
    kind: Literal["stage", "transfer"]
    modelled_s: float | None
    stage: int
    device: str = ""
    route: Route | None = None

    def event(self, start_s: float, wall_s: float) -> Event:
        return Event(
            name=self.name,
            kind=self.kind,
            basis="measured" if self.modelled_s is None else "modelled",
            start_s=start_s,
            wall_s=wall_s,
            duration_s=wall_s if self.modelled_s is None else self.modelled_s,
            stage=self.stage,
            device=self.device,
            route=self.route,
        )


def _kinds(staged: StagedSchedule) -> list[_Kind]:
    schedule = staged.schedule
    kinds = []
    for step, following, modelled_s in zip(
        schedule.steps, schedule.waiting, staged.modelled_s, strict=True
    ):
        stage = len(schedule.stages) - 1 if following is None else following
        if isinstance(step, Run):
            name, device = staged.programs[stage].name, schedule.stages[stage].device
            kinds.append(_Kind(name, "stage", modelled_s, stage, device=device))
        else:
            kinds.append(_Kind(step.value, "transfer", modelled_s, stage, route=step.route))
    return kinds

"""Where tensors lie during a run: a numbered slot for each value in each memory.

The input x is read on pim.hbm; the output b ends in the host's memory:

    transfer x: host > pim.hbm    slot 0 -> slot 1    gives up 0
    run pim.hbm: up, relu         slot 1 -> slot 2    gives up 1
    transfer b: pim.hbm > host    slot 2 -> slot 3    gives up 2
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.errors import DeviceError, ScheduleError
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.schedule import Step, Transfer

#: A value in a memory.
_Held: TypeAlias = tuple[str, str]


class Touched(NamedTuple):
    """The slots that a step reads and writes, and those of them that no later step uses. What it
    writes lies side by side."""

    reads: tuple[int, ...]
    writes: range
    gives_up: tuple[int, ...] = ()


class Slots:
    """The slots of a schedule; `touched` has an entry for each of its steps.

    `inputs` are values that a step reads from the host's memory and that no step has written;
    `outputs` are handed back from there. Both are pairs of a name and a slot. A state is read
    wherever it is wanted, from several memories perhaps, and handed back from its home. `memory_of`
    maps devices to their memories.
    Raises DeviceError for a device without one, ScheduleError for a step that reads what is not
    there.
    """

    def __init__(
        self, staged: StagedSchedule, outputs: Sequence[str], memory_of: Mapping[str, str]
    ) -> None:
        self.count = 0
        self._numbers: dict[_Held, int] = {}
        self._fed: dict[_Held, int] = {}
        self._homes = staged.homes
        touched = []
        for step in staged.schedule.steps:
            reads, writes = _held(step, staged, memory_of)
            touched.append(Touched(tuple(map(self._found, reads)), self._written(writes)))
        self.outputs = [(name, self._handed_back(name)) for name in outputs]
        self.inputs = [(name, at) for (name, _), at in self._fed.items()]
        self.touched = _with_last_uses(touched, (at for _, at in self.outputs))

    def _found(self, held: _Held) -> int:
        name, memory = held
        if held not in self._numbers:
            if memory != HOST and name not in self._homes:
                raise ScheduleError(
                    f"is not in {memory} when it is needed there",
                    where=f"value {name}",
                    fix="transfer it there first",
                )
            self._fed[held] = self._written([held]).start
        return self._numbers[held]

    def _handed_back(self, name: str) -> int:
        home = self._homes.get(name, HOST)
        if (name, home) not in self._numbers:
            raise ScheduleError(
                f"never gets to {home}, from where outputs are handed back",
                where=f"value {name}",
                fix="transfer it there",
            )
        return self._numbers[name, home]

    def _written(self, helds: Sequence[_Held]) -> range:
        """New slots for these."""
        slots = range(self.count, self.count + len(helds))
        self._numbers.update(zip(helds, slots, strict=True))
        self.count = slots.stop
        return slots


def _held(
    step: Step, staged: StagedSchedule, memory_of: Mapping[str, str]
) -> tuple[list[_Held], list[_Held]]:
    """The values in memories that a step reads, and those that it writes."""
    if isinstance(step, Transfer):
        return [(step.value, step.route.source)], [(step.value, step.route.target)]
    device, program = staged.schedule.stages[step.stage].device, staged.programs[step.stage]
    if device not in memory_of:
        raise DeviceError(
            "is not among the devices that were made",
            where=f"stage {step.stage} on {device}",
            fix=f"they are {', '.join(memory_of)}",
        )
    memory = memory_of[device]
    reads = [(value.name, memory) for value in program.inputs]
    return reads, [(value.name, memory) for value in program.outputs]


def _with_last_uses(touched: Sequence[Touched], kept: Iterable[int]) -> list[Touched]:
    """The same with the slots that each step is the last to use, but for those that are `kept`."""
    later = set(kept)
    found = []
    for reads, writes, _ in reversed(touched):
        last = tuple(at for at in dict.fromkeys((*reads, *writes)) if at not in later)
        later.update(last)
        found.append(Touched(reads, writes, last))
    return found[::-1]

"""The order of a run: which copies before which stage, and when a value is no longer needed.

Two stages on devices in two memories, the first one's output read by the second:

    run   stage 0 on cpu.serial: (x@host) -> (a@host)      release x@host
    move  a: host > pim.hbm                                release a@host
    run   stage 1 on pim.hbm: (a@pim.hbm) -> (b@pim.hbm)   release a@pim.hbm
    move  b: pim.hbm > host                                release b@pim.hbm

A value is moved into a memory at most once, however many stages read it there; where no link
leads straight from one memory to another, it goes by way of others, one move for each link.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.schedule import Stage

#: (value, source, target) -> the memories from source to target, both included.
Router: TypeAlias = Callable[[Value, str, str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Held:
    """A value in a memory."""

    value: str
    memory: str

    def __str__(self) -> str:
        return f"{self.value}@{self.memory}"


@dataclass(frozen=True, slots=True)
class Move:
    """Copy a value from one memory to another, for `stage`."""

    value: Value
    source: str
    target: str
    stage: int
    release: tuple[Held, ...] = ()

    @property
    def reads(self) -> tuple[Held, ...]:
        return (Held(self.value.name, self.source),)

    @property
    def writes(self) -> tuple[Held, ...]:
        return (Held(self.value.name, self.target),)

    def __str__(self) -> str:
        return f"move  {self.value.name}: {self.source} > {self.target}"


@dataclass(frozen=True, slots=True)
class Run:
    """Run a stage, by its index."""

    stage: int
    device: str
    reads: tuple[Held, ...]
    writes: tuple[Held, ...]
    release: tuple[Held, ...] = ()

    def __str__(self) -> str:
        reads = ", ".join(map(str, self.reads))
        writes = ", ".join(map(str, self.writes))
        return f"run   stage {self.stage} on {self.device}: ({reads}) -> ({writes})"


def schedule(
    stages: Sequence[Stage], memory_of: Mapping[str, str], outputs: Sequence[str], route: Router
) -> tuple[Move | Run, ...]:
    """The steps of one run; the model's inputs start in the host's memory, outputs end there."""
    home: dict[str, str] = {}
    values: dict[str, Value] = {}
    held: set[Held] = set()
    steps: list[Move | Run] = []

    def bring(name: str, memory: str, stage: int) -> None:
        source = home.setdefault(name, HOST)
        if memory == source or Held(name, memory) in held:
            return
        for near, far in pairwise(route(values[name], source, memory)):
            if Held(name, far) not in held:
                held.add(Held(name, far))
                steps.append(Move(values[name], near, far, stage))

    for index, stage in enumerate(stages):
        memory = memory_of[stage.device]
        for value in stage.program.inputs:
            values[value.name] = value
            bring(value.name, memory, index)
        for value in stage.program.outputs:
            values[value.name] = value
            home[value.name] = memory
        reads = tuple(Held(value.name, memory) for value in stage.program.inputs)
        writes = tuple(Held(value.name, memory) for value in stage.program.outputs)
        steps.append(Run(index, stage.device, reads, writes))
    for name in outputs:
        bring(name, HOST, len(stages) - 1)
    return _with_releases(steps, {Held(name, HOST) for name in outputs})


def _with_releases(steps: Sequence[Move | Run], kept: set[Held]) -> tuple[Move | Run, ...]:
    """Each step releases what it is the last to touch, but for what is handed back."""
    seen = set(kept)
    released: list[Move | Run] = []
    for step in reversed(steps):
        last = tuple(
            held for held in dict.fromkeys((*step.reads, *step.writes)) if held not in seen
        )
        seen.update(last)
        released.append(replace(step, release=last))
    return tuple(reversed(released))

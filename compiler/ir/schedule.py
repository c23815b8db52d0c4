"""Stages: what the executor runs, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stagecut.compiler.ir.device import Feeds, StageProgram, Tensor
from stagecut.compiler.ir.trace import Trace


@dataclass(frozen=True, slots=True)
class Stage:
    """Consecutive nodes on one device.

    `modelled_s` is what a modelled device takes for it; `load_s`, what loading its weights takes
    there, once, before the first run.
    """

    device: str
    nodes: tuple[str, ...]
    program: StageProgram
    modelled_s: float | None = None
    load_s: float = 0.0

    def __str__(self) -> str:
        reads = ", ".join(f"%{value.name}" for value in self.program.inputs)
        writes = ", ".join(map(str, self.program.outputs))
        lines = [f"{self.program.name} on {self.device}: ({reads}) -> {writes}"]
        return "\n".join([*lines, *(f"  {name}" for name in self.nodes)])


class Runner(Protocol):
    """Prepared stages, ready to run."""

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]: ...


class Watch(Protocol):
    """Told when an engine is called for a stage, and when it has come back."""

    def enter(self, stage: int) -> None: ...
    def leave(self) -> None: ...


class RunnerFactory(Protocol):
    """Prepares stages on their devices; handed to the passes that measure.

    `outputs` are the names of the values to be handed back. Raises EngineError when an engine
    refuses a stage.
    """

    def __call__(self, stages: Sequence[Stage], outputs: Sequence[str]) -> Runner: ...

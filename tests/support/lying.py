"""A device that computes with ONNX Runtime, says that it can do everything, and lies.

`use(monkeypatch)` puts it into the table of devices: `lying:how=zeros`, and with `on=Relu` it lies
about stages with that operator only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pytest

from stagecut.backends import cpu, table
from stagecut.backends.options import Options
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Executable, StageProgram, Tensor
from stagecut.compiler.ir.machine import Device
from tests.support.like import Like

Lie: TypeAlias = Callable[[Tensor], Tensor]

#: What becomes of each output.
ALWAYS: Mapping[str, Lie] = {
    "nan": lambda output: np.full_like(output, np.nan),
    "zeros": np.zeros_like,
    "dtype": lambda output: output.astype(np.float64),
    "shape": lambda output: output.reshape(-1),
    "off": lambda output: output * np.asarray(1.002, output.dtype),
}

#: On which inputs it lies; on others it is honest.
SOMETIMES: Mapping[str, Callable[[Tensor], bool]] = {
    "zero": lambda given: not np.any(given),
    "large": lambda given: bool(np.any(np.abs(given) > 50)),
    "three": lambda given: given.shape[:1] == (3,),
    "nan-in": lambda given: bool(np.any(np.isnan(given))),
}


@dataclass
class Liar:
    """An executable that lies as it is told; `unseen` lies on all inputs but the first. `in place`
    and `one buffer` tell the truth, and change arrays that are not theirs any more."""

    honest: Executable
    how: str
    seen: list[Tensor]

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        outputs = self.honest(inputs)
        if self.how == "refuses-three":  # and tells the truth
            assert inputs[0].shape[:1] != (3,), "three are too many"
            return outputs
        if self.how == "in place":
            for each in inputs:
                each[...] = 0
            return outputs
        if self.how == "one buffer":
            return [self._again(output) for output in outputs]
        if self.how in ALWAYS:
            return [ALWAYS[self.how](output) for output in outputs]
        return [output + 1 for output in outputs] if self._lies_about(inputs[0]) else outputs

    def _again(self, output: Tensor) -> Tensor:
        """In the array that was handed back before, where one of this shape was."""
        for buffer in self.seen:
            if buffer.shape == output.shape:
                buffer[...] = output
                return buffer
        self.seen.append(output)
        return output

    def _lies_about(self, given: Tensor) -> bool:
        if self.how in SOMETIMES:
            return SOMETIMES[self.how](given)
        self.seen = self.seen or [given.copy()]
        return not np.array_equal(given, self.seen[0])


@dataclass(frozen=True)
class LyingBackend(Like):
    """In all but the truth, the name and the precision."""

    name: str
    precision: str
    how: str
    about: str

    @property
    def device(self) -> Device:
        return replace(self.inner.device, name=self.name, precision=self.precision)

    def prepare(self, stage: StageProgram) -> Executable:
        honest = self.inner.prepare(stage)
        operators = {node.op_type for node in stage.model.graph}
        if self.about and self.about not in operators:
            return honest
        return Liar(honest, self.how, [])


def create(name: str, options: Mapping[str, str]) -> LyingBackend:
    """Options: `how`, `on=OPERATOR`, `precision`."""
    read = Options(name, options)
    how, about = read.text("how", default="zeros"), read.text("on", default="")
    precision = read.text("precision", default="f32")
    read.refuse_unread()
    return LyingBackend(cpu.create("cpu.serial", {}), name, precision, how, about)


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = table.Entry(f"{__name__}:create", for_tests=True)
    monkeypatch.setattr(table, "BUILT_IN", {**table.BUILT_IN, "lying": entry})


def favoured(costs: CostTable, device: str) -> CostTable:
    """The table with a device that takes next to nothing."""
    nodes = (
        replace(node, run_s={name: 1e-9 if name == device else 1.0 for name in node.run_s})
        for node in costs.nodes
    )
    return replace(costs, nodes=tuple(nodes))

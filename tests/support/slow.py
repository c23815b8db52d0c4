"""A device that takes what it is told to take."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stagecut import backends
from stagecut.compiler.ir.device import Backend, Executable, StageProgram, Tensor
from stagecut.compiler.pace import Pace
from tests.support.like import Like

#: 32 operators take 1 s to be prepared, a weight of 4 MiB 2 s, 33 Mflop 0.5 s to be run.
PACE = Pace(
    load_s=7.0,
    stage_s=0.25,
    operator_s=1 / 32,
    byte_s=2 / 2**22,
    start_s=0.125,
    flop_s=0.5 / 2**25,
)


@dataclass(frozen=True)
class Slow(Like):
    """A CPU under a clock of its own, which goes on by what things take at a pace; `took_s` has
    all of it. Its engine may be `loaded` when it begins."""

    inner: Backend = field(default_factory=lambda: backends.create("cpu.serial"))
    pace: Pace = field(default=PACE, kw_only=True)
    loaded: bool = field(default=False, kw_only=True)
    took_s: list[float] = field(default_factory=list, init=False)

    def clock(self) -> float:
        return sum(self.took_s)

    def prepare(self, stage: StageProgram) -> Executable:
        begun = self.loaded or bool(self.took_s)
        self.took_s.append(self.pace.stage_s + (0.0 if begun else self.pace.load_s))
        graph = stage.model.graph
        self.took_s.append(len(graph) * self.pace.operator_s)
        weights = [stage.weight(name) for name in graph.initializers]
        self.took_s.append(sum(each.nbytes for each in weights) * self.pace.byte_s)
        flops = 2 * stage.inputs[0].elements * sum(each.shape[1] for each in weights)

        def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:  # a shape will do
            self.took_s.append(self.pace.start_s + flops * self.pace.flop_s)
            return [np.zeros(value.shape, np.float32) for value in stage.outputs]

        return run

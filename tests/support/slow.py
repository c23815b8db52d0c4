"""A device that takes what it is told to take."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stagecut import backends
from stagecut.compiler.ir.device import (
    Backend,
    Estimate,
    Executable,
    LinkDriver,
    StageProgram,
    Support,
    Tensor,
)
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.machine import Device, Memory
from stagecut.compiler.pace import Pace

#: 32 operators take 1 s to be prepared, a weight of 4 MiB 2 s, 33 Mflop 0.5 s to be run.
PACE = Pace(
    load_s=7.0,
    stage_s=0.25,
    operator_s=1 / 32,
    byte_s=2 / 2**22,
    start_s=0.125,
    flop_s=0.5 / 2**25,
)


@dataclass
class Slow:
    """A CPU under a clock of its own, which goes on by what things take at a pace."""

    pace: Pace = PACE
    now_s: float = 0.0
    loaded: bool = False
    cpu: Backend = field(default_factory=lambda: backends.create("cpu.serial"))

    @property
    def device(self) -> Device:
        return self.cpu.device

    @property
    def memory(self) -> Memory:
        return self.cpu.memory

    @property
    def links(self) -> tuple[LinkDriver, ...]:
        return ()

    def supports(self, node: Node) -> Support:
        return self.cpu.supports(node)

    def estimate(self, node: Node) -> Estimate | None:
        return self.cpu.estimate(node)

    def clock(self) -> float:
        return self.now_s

    def prepare(self, stage: StageProgram) -> Executable:
        self.now_s += self.pace.stage_s + (0.0 if self.loaded else self.pace.load_s)
        self.loaded = True
        graph = stage.model.graph
        self.now_s += len(graph) * self.pace.operator_s
        weights = [stage.weight(name) for name in graph.initializers]
        self.now_s += sum(each.nbytes for each in weights) * self.pace.byte_s
        flops = 2 * stage.inputs[0].elements * sum(each.shape[1] for each in weights)

        def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:  # a shape will do
            self.now_s += self.pace.start_s + flops * self.pace.flop_s
            return [np.zeros(value.shape, np.float32) for value in stage.outputs]

        return run

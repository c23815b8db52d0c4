"""A device like another one, for those of which only a part is told."""

from dataclasses import dataclass

from stagecut.compiler.ir.device import (
    Backend,
    Estimate,
    Executable,
    LinkDriver,
    StageProgram,
    Support,
)
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.machine import Device, Memory


@dataclass(frozen=True)
class Like:
    """`inner` in all; what a subclass says is otherwise."""

    inner: Backend

    @property
    def device(self) -> Device:
        return self.inner.device

    @property
    def memory(self) -> Memory:
        return self.inner.memory

    @property
    def links(self) -> tuple[LinkDriver, ...]:
        return self.inner.links

    def supports(self, node: Node) -> Support:
        return self.inner.supports(node)

    def estimate(self, node: Node) -> Estimate | None:
        return self.inner.estimate(node)

    def prepare(self, stage: StageProgram) -> Executable:
        return self.inner.prepare(stage)

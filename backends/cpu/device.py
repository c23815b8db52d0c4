"""`cpu.serial` and `cpu.parallel`: ONNX Runtime with one thread, or with all of them."""

from dataclasses import dataclass

from stagecut.compiler.ir.device import YES, Estimate, Executable, LinkDriver, StageProgram, Support
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.machine import Device, Memory


@dataclass(frozen=True, slots=True)
class CpuBackend:
    """ONNX Runtime's CPU provider in the host's memory, timed on this machine."""

    device: Device
    threads: int
    memory: Memory
    links: tuple[LinkDriver, ...] = ()

    def supports(self, node: Node) -> Support:
        from stagecut.backends.cpu import engine

        for operator in node.operators:
            if not engine.has_kernel(operator.domain, operator.op, operator.version):
                name = f"{operator.domain}::{operator.op}" if operator.domain else operator.op
                return Support(f"ONNX Runtime has no CPU kernel for {name}-{operator.version}")
        return YES

    def estimate(self, node: Node) -> Estimate | None:  # noqa: ARG002  # it is always measured
        return None

    def prepare(self, stage: StageProgram) -> Executable:
        from stagecut.backends.cpu import engine

        return engine.prepare(stage, self.threads)

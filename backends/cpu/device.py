"""`cpu.serial` and `cpu.parallel`: ONNX Runtime with one thread, or with all of them; and the same
with quantised weights."""

from dataclasses import dataclass, field

from stagecut.backends.quantised.held import Held
from stagecut.backends.quantised.scheme import Scheme, stored_by
from stagecut.compiler.ir.device import YES, Estimate, Executable, LinkDriver, StageProgram, Support
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.machine import Device, Memory


@dataclass(frozen=True, slots=True)
class CpuBackend:
    """ONNX Runtime's CPU provider in the host's memory, timed on this machine.

    `spins` and `pins` are about the threads of a run; `alone` is as in backends/configurations.py.
    A stage is a session for all callers, or `sessions`, each with what the engine makes of the
    weights, for so many callers at once; or all of them share so many `helpers`, threads beside
    their own. `parts` says whether it may be asked for either.
    With a `scheme`, products are quantised when a stage is prepared, and all else is as without:
    a stage may be the whole model, and the node around a product stays whole.
    """

    device: Device
    memory: Memory
    links: tuple[LinkDriver, ...] = ()
    spins: bool = False
    pins: bool = False
    alone: tuple[str, ...] = ()
    sessions: int = 1
    helpers: int = 0
    parts: bool = False
    scheme: Scheme | None = None
    held: Held = field(default_factory=Held, repr=False, compare=False)

    def supports(self, node: Node) -> Support:
        from stagecut.backends.cpu import engine

        for operator in node.operators:
            if not engine.has_kernel(operator.domain, operator.op, operator.version):
                name = f"{operator.domain}::{operator.op}" if operator.domain else operator.op
                return Support(f"ONNX Runtime has no CPU kernel for {name}-{operator.version}")
        return YES

    def quantises(self, node: Node) -> bool:
        """Whether a weight of it is held in fewer bits here."""
        return self.scheme is not None and any(map(self.scheme.quantises, node.operators))

    def ranged(self, node: Node) -> tuple[str, ...]:
        """What has to be known of its activations."""
        return () if self.scheme is None else self.scheme.ranged(node.operators)

    def stored(self, stage: StageProgram) -> StageProgram:
        """With the weights of its products as they are held here."""
        return stored_by(self.scheme, stage, self.held)

    def estimate(self, node: Node) -> Estimate | None:  # noqa: ARG002  # it is always measured
        return None

    def prepare(self, stage: StageProgram) -> Executable:
        from stagecut.backends.cpu import engine

        threads = engine.Threads(self.device.cores + self.helpers, self.spins, self.pins)
        made = [
            engine.prepare(stage, threads, self.scheme, self.held) for _ in range(self.sessions)
        ]
        return made[0] if self.sessions == 1 else engine.Sessions(made)

    def apart(self, callers: int) -> str:
        return f"sessions={callers}" if self.parts else ""

    def helped(self, callers: int) -> str:
        """As by who makes one session, and calls it from many threads."""
        return f"helpers={callers - 1}" if self.parts and self.device.cores == 1 else ""

    def serving(self, callers: int) -> str:  # noqa: ARG002  # a session serves any number
        return ""

    def serving_one(self) -> str:
        several = {"sessions=1": self.sessions > 1, "helpers=0": self.helpers > 0}
        return ",".join(each for each, is_so in several.items() if is_so)

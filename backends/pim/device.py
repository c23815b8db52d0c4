"""The backend of PIM devices: one class for all, which asks the architecture for costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stagecut.backends.pim.architecture import Architecture, Cost
from stagecut.backends.pim.link import links
from stagecut.backends.pim.state import state_cost
from stagecut.backends.pim.work import (
    Elementwise,
    StateProduct,
    UnsupportedError,
    Work,
    work_of,
)
from stagecut.compiler.ir.device import Estimate, Executable, LinkDriver, StageProgram, Support
from stagecut.compiler.ir.graph import Node, Operator
from stagecut.compiler.ir.machine import Device, Memory
from stagecut.compiler.ir.units import size_exactly

if TYPE_CHECKING:
    from stagecut.backends.pim.estimate import OperatorEstimate
    from stagecut.backends.pim.layout import Layout

#: The 16-bit formats by numpy's name.
_PRECISIONS = {"float16": "f16", "bfloat16": "bf16"}


@dataclass(frozen=True, slots=True)
class PimBackend:
    """A PIM device with a memory of its own, of the same name, which holds 16-bit numbers.

    `capacity_bytes` is how much of the memory weights may take. With `exact`, results are those of
    the hardware bit for bit; without, they are computed faster, to within a stated error.
    """

    name: str
    architecture: Architecture
    capacity_bytes: int
    exact: bool = False

    @property
    def device(self) -> Device:
        return Device(
            self.name,
            self.name,
            "modelled",
            description=self.architecture.description,
            peak_flop_per_s=self.architecture.peak_flop_per_s,
            peak_bytes_per_s=self.architecture.peak_bytes_per_s,
            precision=_PRECISIONS[np.dtype(self.architecture.dtype).name],
            resource=self.name,
        )

    @property
    def memory(self) -> Memory:
        return Memory(self.name, self.capacity_bytes)

    @property
    def links(self) -> tuple[LinkDriver, ...]:
        return links(self.name, self.architecture)

    def supports(self, node: Node) -> Support:
        work: list[Work] = []
        for operator in node.operators:
            try:
                work += self.work(operator)
            except UnsupportedError as reason:
                return Support(f"{operator.op}: {reason}")
        return Support(self.lacks_room(work))

    def lacks_room(self, work: Iterable[Work]) -> str:
        """The reason why the weights of `work` do not fit into the memory; empty if they do. States
        are none."""
        weighing = (part for part in work if not isinstance(part, StateProduct))
        needed = sum(self.architecture.cost(part).weight_bytes for part in weighing)
        if needed <= self.capacity_bytes:
            return ""
        return (
            f"its weights take {size_exactly(needed)}, padding included, and the memory has room "
            f"for {size_exactly(self.capacity_bytes)}"
        )

    def cost(self, work: Work) -> Cost:
        if isinstance(work, StateProduct):
            return state_cost(self.architecture, work)
        return self.architecture.cost(work)

    def work(self, operator: Operator) -> tuple[Work, ...]:
        """The work of `operator`. Raises UnsupportedError where there is no kernel for it."""
        work = work_of(operator)
        for part in work:
            if isinstance(part, Elementwise) and part.kind not in self.architecture.kinds:
                raise UnsupportedError("there is no in-memory kernel for it")
        return work

    def estimate(self, node: Node) -> Estimate:
        """The sum over the node's operators, which run one after the other."""
        work = (part for operator in node.operators for part in self.work(operator))
        costs = [self.cost(part) for part in work]
        return Estimate(
            run_s=sum(cost.spent.run_s for cost in costs),
            energy_j=sum(cost.spent.energy_j for cost in costs),
            weight_bytes=sum(cost.weight_bytes for cost in costs),
            load_s=sum(cost.load_s for cost in costs),
        )

    def estimate_operator(
        self, op: str, shapes: Sequence[tuple[int, ...]], dtype: str | None = None
    ) -> "OperatorEstimate":
        """What one operator alone costs; see backends/estimates.py."""
        from stagecut.backends.pim.estimate import estimate

        return estimate(self, op, shapes, dtype)

    def place_operator(
        self, op: str, shapes: Sequence[tuple[int, ...]], dtype: str | None = None
    ) -> "Layout":
        """Where its weight matrices lie, placed as `estimate_operator` says."""
        from stagecut.backends.pim.estimate import layout

        return layout(self, op, shapes, dtype)

    def prepare(self, stage: StageProgram) -> Executable:
        from stagecut.backends.pim.executable import build
        from stagecut.backends.pim.numerics import Fast

        architecture = self.architecture
        return build(stage, architecture.exact if self.exact else Fast(architecture.dtype))

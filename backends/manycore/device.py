"""The backend of many-core devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.costs import Cost, costs, partial_sums
from stagecut.backends.manycore.link import links, load_s
from stagecut.backends.manycore.mapped import weights_of, works_of
from stagecut.backends.manycore.numerics.formats import FORMATS
from stagecut.backends.manycore.work import UnsupportedError
from stagecut.compiler.ir.device import Estimate, Executable, LinkDriver, StageProgram, Support
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.machine import Device, Memory
from stagecut.compiler.ir.units import size_exactly

if TYPE_CHECKING:
    from stagecut.backends.manycore.estimate import OperatorEstimate

_PRECISIONS = {"fp64": "f64", "fp32": "f32", "fp16": "f16", "fp8": "f8"}


@dataclass(frozen=True, slots=True)
class ManycoreBackend:
    """A many-core chip with an HBM of its own, of the same name, which holds its numbers.

    `number` names their format (`numerics/formats.py`). `capacity_bytes` is how much of the HBM
    weights may take. With `exact`, results are those of the hardware bit for bit; without, they are
    computed faster, to within a stated error.
    """

    name: str
    chip: Chip
    number: str
    capacity_bytes: int
    exact: bool = False

    @property
    def device(self) -> Device:
        g = self.chip.geometry
        return Device(
            self.name,
            self.name,
            "modelled",
            description=f"{g.clusters} clusters of {g.cores} cores, {self.chip.precision}, "
            f"{self.chip.library} library",
            peak_flop_per_s=self.chip.flop_per_cycle * g.clock_hz,
            peak_bytes_per_s=min(g.hbm_bytes_per_cycle, g.ports * g.dma_bytes) * g.clock_hz,
            precision=_PRECISIONS[self.chip.precision],
            resource=self.name,
        )

    @property
    def memory(self) -> Memory:
        return Memory(self.name, self.capacity_bytes)

    @property
    def links(self) -> tuple[LinkDriver, ...]:
        return links(self.name, self.chip, FORMATS[self.number].stored)

    @property
    def keeps_values(self) -> bool:
        """Rows stay in the scratchpads from node to node, with the lever for it (chain.py)."""
        return self.chip.levers.keep_rows

    def supports(self, node: Node) -> Support:
        try:
            self.costs(node)
        except UnsupportedError as reason:
            return Support(str(reason))
        return Support(self.lacks_room(node))

    def lacks_room(self, node: Node) -> str:
        """The reason why the weights of `node` do not fit into the HBM; empty if they do."""
        needed = weights_of(node) * self.chip.number_bytes
        if needed <= self.capacity_bytes:
            return ""
        return (
            f"its weights take {size_exactly(needed)}, and the memory has room "
            f"for {size_exactly(self.capacity_bytes)}"
        )

    def costs(self, node: Node) -> tuple[Cost, ...]:
        """Of its kernels, in order. Raises UnsupportedError."""
        works = works_of(node, fused=self.chip.optimised)
        return tuple(cost for work in works for cost in costs(self.chip, work))

    def estimate(self, node: Node) -> Estimate:
        """The sum over the node's kernels, which run one after the other."""
        costs, weights = self.costs(node), weights_of(node)
        return Estimate(
            run_s=sum(each.cycles for each in costs) / self.chip.geometry.clock_hz,
            energy_j=sum(each.energy_j(self.chip) for each in costs),
            weight_bytes=weights * self.chip.number_bytes,
            load_s=load_s(self.chip, weights) if weights else 0.0,
        )

    def estimate_operator(
        self, op: str, shapes: Sequence[tuple[int, ...]], dtype: str | None = None
    ) -> "OperatorEstimate":
        """What one operator alone costs; see backends/estimates.py."""
        from stagecut.backends.manycore.estimate import estimate

        return estimate(self, op, shapes, dtype)

    def place_operator(
        self,
        op: str,
        shapes: Sequence[tuple[int, ...]],  # noqa: ARG002  # wherever they are, there is no more
        dtype: str | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Raises UsageError: there is nothing to show."""
        raise UsageError(
            f"the weights of {op} lie row after row in the HBM of {self.name}",
            where="--layout",
            fix="leave it out",
        )

    def prepare(self, stage: StageProgram) -> Executable:
        from stagecut.backends.manycore.numerics.executable import build

        return build(
            stage,
            FORMATS[self.number],
            exact=self.exact,
            tile=self.chip.tiles.attention_columns,
            splits=partial(partial_sums, self.chip),
        )

"""The costs of one operator on a many-core chip: the answer of `stagecut estimate`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from stagecut.backends.manycore.device import ManycoreBackend
from stagecut.backends.manycore.work import NoRoomError, UnsupportedError
from stagecut.backends.one_operator import one_operator
from stagecut.compiler.ir import units
from stagecut.compiler.ir.errors import UnplaceableError, UsageError
from stagecut.compiler.ir.graph import Node, Operator
from stagecut.compiler.ir.machine import Basis


@dataclass(frozen=True, slots=True)
class OperatorEstimate:
    """Cycles and seconds from operands in the HBM to the result in the HBM.

    `utilisation` is of the peak of the `clusters` in use; `tiles` says what is in a scratchpad
    together (m x n x k of a product, rows x columns elsewhere); `dma_bytes` go to and from the HBM.
    """

    device: str
    op: str
    cycles: int
    run_s: float
    utilisation: float
    clusters: int
    tiles: tuple[str, ...]
    dma_bytes: int
    energy_j: float
    basis: Basis

    def document(self) -> dict[str, object]:
        return asdict(self)

    def lines(self) -> list[str]:
        taken = f"{units.seconds(self.run_s)} ({self.basis})"
        return [
            f"{self.op} on {self.device}: {taken}",
            f"  cycles       {self.cycles}",
            f"  utilisation  {self.utilisation:.1%} of the {self.clusters} clusters in use",
            f"  tiles        {', '.join(self.tiles) or 'none'}",
            f"  transfers    {units.size(self.dma_bytes)} to and from the HBM",
            f"  energy       {units.scaled(self.energy_j, 'J')}",
        ]


def estimate(
    backend: ManycoreBackend, op: str, shapes: Sequence[tuple[int, ...]], dtype: str | None = None
) -> OperatorEstimate:
    """Model `op`, an ONNX operator without attributes.

    `shapes` has one entry for each operand. `dtype` is the precision, by default that of the
    device. Raises UsageError, ShapeError for shapes that do not fit together, and UnplaceableError
    where the device cannot run the operator, or has no room for its weights.
    """
    chip = backend.chip
    if dtype not in {None, chip.precision}:
        raise UsageError(
            f"{backend.name} computes in {chip.precision}, not in {dtype}",
            where="--dtype",
            fix=f"leave it out, or ask {backend.name}:precision=...",
        )
    node = _node(one_operator(op, shapes))
    try:
        costs = backend.costs(node)
    except NoRoomError as reason:
        raise UnplaceableError(
            f"{backend.name} cannot run it: {reason}",
            where=f"operator {op}",
            fix="give the device larger scratchpads: scratchpad_bytes=...",
        ) from None
    except UnsupportedError as reason:
        raise UnplaceableError(
            f"{backend.name} cannot run it: {reason}",
            where=f"operator {op}",
            fix="MatMul, Attention, LayerNormalization, Softmax, Gelu and Add are run by every one",
        ) from None
    lacking = backend.lacks_room(node)
    if lacking:
        raise UnplaceableError(
            lacking, where=f"operator {op}", fix="give the device more memory: capacity_bytes=..."
        )
    cycles = sum(cost.cycles for cost in costs)
    whole = sum(cost.utilisation(chip) * cost.cycles for cost in costs)
    return OperatorEstimate(
        device=backend.name,
        op=op,
        cycles=round(cycles),
        run_s=cycles / chip.geometry.clock_hz,
        utilisation=whole / cycles if cycles else 0.0,
        clusters=max((cost.clusters for cost in costs), default=0),
        tiles=tuple(tile for cost in costs for tile in cost.tiles),
        dma_bytes=sum(cost.dma_bytes for cost in costs),
        energy_j=sum(cost.energy_j(chip) for cost in costs),
        basis="modelled",
    )


def _node(operator: Operator) -> Node:
    return Node(
        name=operator.name,
        op=operator.op,
        operators=(operator,),
        inputs=tuple(value for value in operator.reads if not value.constant),
        outputs=operator.writes,
        weights=tuple(value for value in operator.reads if value.constant),
        flops=0,
    )

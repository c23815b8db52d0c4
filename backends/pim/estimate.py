"""The costs of one operator on a modelled device: the answer of `stagecut estimate`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from stagecut.backends.one_operator import one_operator
from stagecut.backends.pim.architecture import Commands, Execution
from stagecut.backends.pim.device import PimBackend
from stagecut.backends.pim.layout import Layout
from stagecut.backends.pim.work import Product, UnsupportedError, Work
from stagecut.compiler.ir.errors import UnplaceableError, UsageError
from stagecut.compiler.ir.machine import Basis


@dataclass(frozen=True, slots=True)
class OperatorEstimate:
    """Time, energy and commands of an operator.

    `run_s` and `energy_j` cover everything from operands in the memory to the result in the memory.
    `cycles` (the kernel alone), `readback_cycles`, `commands` and `bytes_padded` belong to the
    placement of the vendor's simulator. If another placement is faster, `split` describes it, and
    `run_s` and `energy_j` belong to that one. `load_s` is the time to write the weights, once,
    before anything runs.
    """

    device: str
    op: str
    cycles: int
    readback_cycles: int
    run_s: float
    commands: Commands
    energy_j: float
    bytes_padded: int
    basis: Basis
    load_s: float
    split: Execution | None

    def document(self) -> dict[str, object]:
        return asdict(self)

    def lines(self) -> list[str]:
        from stagecut.backends.pim.wording import estimate_lines

        return estimate_lines(self)


def estimate(
    backend: PimBackend, op: str, shapes: Sequence[tuple[int, ...]], dtype: str | None = None
) -> OperatorEstimate:
    """Model `op`, an ONNX operator without attributes.

    `shapes` has one entry for each operand. `dtype` is the number format, by default that of the
    device. Raises UsageError, ShapeError for shapes that do not fit together, and UnplaceableError
    where the device cannot run the operator, or has no room for its weights.
    """
    work = _work(backend, op, shapes, dtype)
    costs = [backend.cost(part) for part in work]
    plain = _together([cost.plain for cost in costs])
    chosen = _together([cost.chosen for cost in costs])
    return OperatorEstimate(
        device=backend.device.name,
        op=op,
        cycles=plain.cycles,
        readback_cycles=plain.readback_cycles,
        run_s=sum(cost.spent.run_s for cost in costs),
        commands=plain.commands,
        energy_j=sum(cost.spent.energy_j for cost in costs),
        bytes_padded=plain.bytes_padded,
        basis="modelled",
        load_s=sum(cost.load_s for cost in costs),
        split=None if chosen == plain else chosen,
    )


def layout(
    backend: PimBackend, op: str, shapes: Sequence[tuple[int, ...]], dtype: str | None = None
) -> Layout:
    """Where the weight matrices of `op` lie, in the placement and with the errors of `estimate`."""
    work = _work(backend, op, shapes, dtype)
    found = (backend.architecture.layout(part) for part in work if isinstance(part, Product))
    return Layout(
        weight_bytes=sum(backend.cost(part).weight_bytes for part in work),
        tiles=tuple(tile for tiles in found for tile in tiles),
    )


def _work(
    backend: PimBackend, op: str, shapes: Sequence[tuple[int, ...]], dtype: str | None
) -> tuple[Work, ...]:
    """The work that `op` is for the device."""
    held = np.dtype(backend.architecture.dtype).name
    if dtype not in {None, held}:
        raise UsageError(
            f"{backend.device.name} computes in {held}, not in {dtype}",
            where="--dtype",
            fix=f"leave it out, or write --dtype {held}",
        )
    operator = one_operator(op, shapes)
    try:
        work = backend.work(operator)
    except UnsupportedError as reason:
        raise UnplaceableError(
            f"{backend.device.name} cannot run it: {reason}",
            where=f"operator {op}",
            fix="MatMul with a weight, Gemm, Add and Mul are run by every PIM device",
        ) from None
    lacking = backend.lacks_room(work)
    if lacking:
        raise UnplaceableError(
            lacking, where=f"operator {op}", fix="give the device more channels, or another weight"
        )
    return work


def _together(executions: Sequence[Execution]) -> Execution:
    """The execution of several pieces of work, one after the other."""
    return Execution(
        ways=max((part.ways for part in executions), default=1),
        cycles=sum(part.cycles for part in executions),
        readback_cycles=sum(part.readback_cycles for part in executions),
        commands=Commands(
            rd=sum(part.commands.rd for part in executions),
            wr=sum(part.commands.wr for part in executions),
            act=sum(part.commands.act for part in executions),
        ),
        bytes_padded=sum(part.bytes_padded for part in executions),
    )

"""Several inputs as one, stacked on axis 0: whether they can be, and which variants take them."""

from collections.abc import Sequence

from stagecut.compiler.ir.graph import ANY_RANK
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.port import Port


def batching_problem(inputs: Sequence[Port], outputs: Sequence[Port]) -> str:
    """Why several inputs cannot be run as one, stacked on axis 0; empty where they can be.

    The first dimension of all must be open; that of the inputs must be one dimension of one name,
    which is no other dimension, or else stacking would change more than the number of rows.
    """
    for port in (*inputs, *outputs):
        if not port.dims or port.dims == ANY_RANK or isinstance(port.dims[0], int):
            return f"{port.name} has no open first dimension"
    rows = {port.dims[0] for port in inputs}
    if len(rows) != 1 or "?" in rows:
        return "the inputs do not have one open first dimension of one name"
    for port in (*inputs, *outputs):
        if rows & {*port.dims[1:]}:
            return f"{port.name} has its first dimension twice"
    return ""


def stacked(shapes: Sequence[tuple[int, ...]], count: int) -> tuple[tuple[int, ...], ...]:
    """Those of so many inputs of these shapes, stacked on axis 0."""
    return tuple((count * shape[0], *shape[1:]) for shape in shapes)


def for_batches(variants: Sequence[PlannedVariant]) -> set[int]:
    """The variants in which full batches of others run, by their indices."""
    shapes = [tuple(port.shape for port in each.inputs) for each in variants]
    full = [
        stacked(own, each.stream.batch)
        for each, own in zip(variants, shapes, strict=True)
        if each.stream is not None and each.stream.batch > 1
    ]
    return {index for index, own in enumerate(shapes) if own in full}

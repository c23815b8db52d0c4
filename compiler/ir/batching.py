"""Several inputs as one, stacked on axis 0: whether they can be, and which variants take them.

A stream's stages may differ in how many inputs they take (`batches`, one or N): then values are put
together, and cut apart, between stages, and the variant for N inputs has to be cut in the same
places. In costs, `DEVICE in Ns` is a device whose calls have N inputs.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

from stagecut.compiler.ir.graph import ANY_RANK
from stagecut.compiler.ir.machine import HOST, Machine
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.schedule import Schedule


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


def in_batches(device: str, size: int) -> str:
    """What a device is called in costs, whose calls have so many inputs."""
    return device if size == 1 else f"{device} in {size}s"


class _Handing(Protocol):
    """What is handed from stage to stage, and has a shape of its own in batches."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...


class _Staged(Protocol):
    """A stage's program, or what a plan says of it."""

    @property
    def inputs(self) -> Sequence[_Handing]: ...
    @property
    def outputs(self) -> Sequence[_Handing]: ...


#: A schedule, and what each of its stages reads and writes.
Cut: TypeAlias = tuple[Schedule, Sequence[_Staged]]


def mixing_problem(alone: Cut, full: Cut, machine: Machine, size: int) -> str:
    """Why inputs of the stages of `alone` cannot become batches of so many between any two of them,
    which go through those of `full`; empty where they can."""
    (schedule, stages), (other, batches) = alone, full
    if schedule != other:
        return "batches are cut into other stages"
    others = {machine.memory_of(stage.device) for stage in schedule.stages} - {HOST}
    if others:
        return f"{min(others)} is no memory in which batches are put together"
    for own, batched in zip(stages, batches, strict=True):
        pairs = ((own.inputs, batched.inputs), (own.outputs, batched.outputs))
        for ports, many in pairs:
            if problem := next(_unlike(ports, many, size), ""):
                return problem
    return ""


def _unlike(ports: Sequence[_Handing], many: Sequence[_Handing], size: int) -> Iterator[str]:
    """Why `many` are not `ports` of so many inputs, stacked on axis 0."""
    if [(each.name, each.dtype) for each in ports] != [(each.name, each.dtype) for each in many]:
        yield "stages of batches hand on other values"
        return
    for one, batched in zip(ports, many, strict=True):
        if not one.shape or batched.shape != (size * one.shape[0], *one.shape[1:]):
            yield f"{one.name} is not stacked on its first axis in batches"


def for_batches(variants: Sequence[PlannedVariant]) -> set[int]:
    """The variants in which full batches of others run, by their indices."""
    shapes = [tuple(port.shape for port in each.inputs) for each in variants]
    full = [
        stacked(own, each.stream.batch)
        for each, own in zip(variants, shapes, strict=True)
        if each.stream is not None and each.stream.batch > 1
    ]
    return {index for index, own in enumerate(shapes) if own in full}

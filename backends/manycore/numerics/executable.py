"""Runs a stage on a many-core device: its kernels one after the other, on stored numbers."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stagecut.backends.manycore.numerics.formats import Format
from stagecut.backends.manycore.numerics.kernels import Kernels, Split
from stagecut.backends.rounding import narrow
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.graph import Operator
from stagecut.compiler.ir.regions import kernels
from stagecut.compiler.ir.view import View


@dataclass(frozen=True, slots=True)
class Step:
    """`run` computes the values `writes` from the values `reads`."""

    run: Callable[..., Sequence[Tensor]]
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ManycoreExecutable:
    """The steps of a stage; without state between calls, so that threads may share it."""

    steps: tuple[Step, ...]
    constants: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    format: Format

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        computed = self.format.computed
        values = dict(self.constants)
        values |= {n: a.astype(computed) for n, a in zip(self.inputs, inputs, strict=True)}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for step in self.steps:  # infinities are results like any other
                results = step.run(*(values[name] for name in step.reads))
                values.update(zip(step.writes, results, strict=True))
        return [narrow(values[name], self.format.stored) for name in self.outputs]


#: Operators, and the names of the values that others read -> the products whose K may be split over
#: clusters, by name.
Splits: TypeAlias = Callable[[Sequence[Operator], Collection[str]], Mapping[str, Split]]

#: Stands for a size that is open: kernels look at what they are given. Not 1, which would be one
#: that stretches.
_OPEN = 2


def whole(_: Sequence[Operator], __: Collection[str]) -> Mapping[str, Split]:
    """Nothing is split."""
    return {}


def build(
    stage: StageProgram, form: Format, *, exact: bool, tile: int, splits: Splits = whole
) -> ManycoreExecutable:
    """Round and lay out the weights of `stage`, whose shapes may be open; attention has `tile` keys
    at a time.

    Raises EngineError for an operator without a kernel, a weight without data, and a GELU whose
    numbers are not GELU's.
    """
    view = View(stage.model.graph, _open_shapes(stage))
    operators = [view.operator(node) for node in stage.model.graph]
    outputs = tuple(value.name for value in stage.outputs)
    products = splits(operators, outputs)
    builder = Kernels(stage, form, exact=exact, tile=tile, splits=products)
    steps = []
    for kernel in kernels(operators, outputs):
        run, reads, writes = builder.of(kernel)
        steps.append(
            Step(run, tuple(v.name for v in reads), tuple(v.name for v in writes)),
        )
    return ManycoreExecutable(
        tuple(steps),
        builder.constants,
        tuple(value.name for value in stage.inputs),
        outputs,
        form,
    )


def _open_shapes(stage: StageProgram) -> dict[str, tuple[int, ...]]:
    """By name, of the values of which not all sizes are known, if their number is."""
    graph = stage.model.graph
    values = [*graph.inputs, *(value for node in graph for value in node.outputs)]
    return {
        str(value.name): tuple(dim if isinstance(dim, int) else _OPEN for dim in value.shape)
        for value in values
        if value.shape is not None and not value.shape.is_static()
    }

"""Runs a stage on a PIM device: its operators one after the other, on 16-bit numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from stagecut.backends.pim.functions import function_of
from stagecut.backends.pim.numerics import Arithmetic, Multiply
from stagecut.backends.pim.state import times_state
from stagecut.backends.rounding import held, narrow, wide
from stagecut.backends.views import VIEWS, Look, view
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError


@dataclass(frozen=True, slots=True)
class Step:
    """One operator: `run` computes value `writes` from values `reads`.

    The weight matrix of a product is bound into `run` and not among `reads`.
    """

    run: Callable[..., Tensor]
    reads: tuple[str, ...]
    writes: str


@dataclass(frozen=True, slots=True)
class PimExecutable:
    """The steps of a stage; without state between calls, so that threads may share it."""

    steps: tuple[Step, ...]
    constants: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dtype: npt.DTypeLike

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        values = {**self.constants, **dict(zip(self.inputs, map(wide, inputs), strict=True))}
        with np.errstate(over="ignore", invalid="ignore"):  # infinities are results like any other
            for step in self.steps:
                values[step.writes] = step.run(*(values[name] for name in step.reads))
        return [narrow(values[name], self.dtype) for name in self.outputs]


def build(stage: StageProgram, arithmetic: Arithmetic) -> PimExecutable:
    """Round and lay out the weights of `stage`.

    Its shapes may be open. Raises EngineError for an operator without a kernel, and for a weight
    without data.
    """
    builder = _Builder(stage, arithmetic)
    return PimExecutable(
        steps=tuple(step for node in stage.model.graph for step in builder.steps(node)),
        constants=builder.constants,
        inputs=tuple(value.name for value in stage.inputs),
        outputs=tuple(value.name for value in stage.outputs),
        dtype=arithmetic.dtype,
    )


class _Builder:
    """Turns operators into steps; `constants` are the weights that steps read as values."""

    def __init__(self, stage: StageProgram, arithmetic: Arithmetic) -> None:
        self._stage = stage
        self._arithmetic = arithmetic
        self._weights = stage.model.graph.initializers
        self._passes: Mapping[str, Callable[..., Tensor]] = {
            "Add": arithmetic.add,
            "Sub": arithmetic.sub,
            "Mul": arithmetic.mul,
            "Relu": arithmetic.relu,
        }
        self.constants: dict[str, Tensor] = {}

    def steps(self, node: ir.Node) -> list[Step]:
        reads = [value.name or "" for value in node.inputs if value is not None]
        writes = node.outputs[0].name or ""
        laid = self._laid(node, reads, writes)
        if laid is not None:
            return [laid]
        match node.op_type:
            case "MatMul":
                return [self._product(reads[0], self._stage.weight(reads[1]), writes)]
            case "Gemm":
                return self._gemm(node, reads, writes)
            case op if op in self._passes:
                return [self._pass(self._passes[op], reads, writes)]
            case "LeakyRelu" | "Sigmoid" | "Tanh" | "Gelu":
                run = partial(self._arithmetic.look_up, function_of(node))
                return [Step(run, (reads[0],), writes)]
            case "BatchNormalization":
                return [self._batchnorm(node, reads, writes)]
        raise EngineError(
            f"{node.op_type} has no in-memory kernel",
            where=f"stage {self._stage.name}, operator {node.name}",
            fix="place only nodes that the device supports",
        )

    def _laid(self, node: ir.Node, reads: Sequence[str], writes: str) -> Step | None:
        """What is done with a state, and what only looks at numbers in another way; None for other
        operators."""
        match node.op_type:
            case "MatMul" if reads[1] not in self._weights:
                run: Callable[..., Tensor] = partial(times_state, self._arithmetic.product)
                return Step(run, tuple(reads), writes)
            case "Concat":
                axis = node.attributes["axis"].as_int()
                return Step(partial(_joined, axis), tuple(reads), writes)
            case "Transpose":
                order = node.attributes["perm"].as_ints()
                return Step(partial(np.transpose, axes=order), (reads[0],), writes)
            case op if op in VIEWS:
                return Step(self._view(node, reads), (reads[0],), writes)
            case _:
                return None

    def _view(self, node: ir.Node, reads: Sequence[str]) -> Look:
        """Until opset 13, axes were an attribute."""
        numbers = node.attributes.get_ints("axes", None)
        if len(reads) > 1:
            numbers = self._stage.weight(reads[1]).tolist()
        keeps_zero = bool(node.attributes.get_int("allowzero", 0))
        axis = node.attributes.get_int("axis", 1)
        return view(node.op_type, numbers, axis, keeps_zero=keeps_zero)

    def _gemm(self, node: ir.Node, reads: Sequence[str], writes: str) -> list[Step]:
        """alpha and beta are folded into the weights, before these are rounded."""
        matrix = self._stage.weight(reads[1])
        if node.attributes.get_int("transB", 0):
            matrix = matrix.T
        matrix = matrix * matrix.dtype.type(node.attributes.get_float("alpha", 1.0))
        if len(reads) == 2:
            return [self._product(reads[0], matrix, writes)]
        product, bias = f"{writes}/product", reads[2]
        if bias in self._weights:
            weight = self._stage.weight(bias)
            bias = f"{writes}/bias"
            scaled = weight * weight.dtype.type(node.attributes.get_float("beta", 1.0))
            self.constants[bias] = held(scaled, self._arithmetic.dtype)
        add = Step(self._arithmetic.add, (product, bias), writes)
        return [self._product(reads[0], matrix, product), add]

    def _product(self, reads: str, matrix: Tensor, writes: str) -> Step:
        """A weight [inner] is one column; the result has no dimension for it."""
        columns = matrix if matrix.ndim == 1 else matrix.reshape(matrix.shape[-2:])
        product = self._arithmetic.product(columns.reshape(columns.shape[0], -1))
        run = partial(_times, product, columns.shape[1:])
        return Step(run, (reads,), writes)

    def _pass(self, run: Callable[..., Tensor], reads: Sequence[str], writes: str) -> Step:
        for name in reads:
            if name in self._weights:
                self.constants[name] = held(self._stage.weight(name), self._arithmetic.dtype)
        return Step(run, tuple(reads), writes)

    def _batchnorm(self, node: ir.Node, reads: Sequence[str], writes: str) -> Step:
        """A factor and a term for each channel, the second dimension, from ONNX's four weights."""
        scale, bias, mean, variance = (
            self._stage.weight(name).astype(np.float64) for name in reads[1:]
        )
        factor = scale / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
        channel = (-1, *[1] * (len(node.outputs[0].shape or ()) - 2))
        scalars = [f"{writes}/factor", f"{writes}/term"]
        for name, numbers in zip(scalars, (factor, bias - mean * factor), strict=True):
            self.constants[name] = held(numbers.reshape(channel), self._arithmetic.dtype)
        return Step(self._arithmetic.multiply_add, (reads[0], *scalars), writes)


def _times(product: Multiply, kept: tuple[int, ...], rows: Tensor) -> Tensor:
    return product(rows.reshape(-1, rows.shape[-1])).reshape(*rows.shape[:-1], *kept)


def _joined(axis: int, *parts: Tensor) -> Tensor:
    return np.concatenate(parts, axis)

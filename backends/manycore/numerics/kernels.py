"""The kernels of a stage: what each operator, or region, computes on stored numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from stagecut.backends.manycore.numerics.attention import FlashAttention
from stagecut.backends.manycore.numerics.formats import Format
from stagecut.backends.manycore.numerics.functions import i_gelu, layer_norm, softmax
from stagecut.backends.manycore.numerics.partial_sums import split
from stagecut.backends.manycore.numerics.products import Multiply, products
from stagecut.backends.stacks import batched, flat
from stagecut.backends.views import VIEWS
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Operator, Value
from stagecut.compiler.ir.regions import Attention, Gelu, Region

Run: TypeAlias = Callable[..., Sequence[Tensor]]

#: What to run, and the values that it reads and writes.
Kernel: TypeAlias = tuple[Run, Sequence[Value], Sequence[Value]]

#: Operators that have a kernel by themselves.
COMPUTED = (
    VIEWS
    | {"MatMul", "Gemm", "Add", "Sub", "Mul", "LayerNormalization", "Softmax", "Gelu"}
    | {"Transpose", "Split", "Concat", "Slice"}
)


class Kernels:
    """Makes them; `constants` are the weights that are read as values. `clusters` says of products,
    by name, over how many their K is split."""

    def __init__(
        self,
        stage: StageProgram,
        form: Format,
        *,
        exact: bool,
        tile: int,
        clusters: Mapping[str, int],
    ) -> None:
        self._stage = stage
        self._format = form
        self._clusters = clusters
        self._products = products(form, exact=exact)
        self._attention = FlashAttention(self._products, form, tile)
        self._makers: Mapping[str, Callable[[Operator], Kernel]] = {
            "MatMul": self._matmul,
            "Gemm": self._gemm,
            "Add": lambda operator: self._elementwise(np.add, operator),
            "Sub": lambda operator: self._elementwise(np.subtract, operator),
            "Mul": lambda operator: self._elementwise(np.multiply, operator),
            "LayerNormalization": self._layer_norm,
            "Softmax": self._softmax,
            "Gelu": lambda operator: self._gelu(operator.reads[0], operator.writes[0]),
            "Transpose": self._transpose,
            "Split": self._split,
            "Concat": self._concat,
            "Slice": self._slice,
            **dict.fromkeys(VIEWS, self._view),
        }
        self.constants: dict[str, Tensor] = {}

    def of(self, kernel: Operator | Region) -> Kernel:
        """Raises EngineError where there is none."""
        if isinstance(kernel, Attention):
            return self._fused_attention(kernel)
        if isinstance(kernel, Gelu):
            self._check_gelu(kernel)
            return self._gelu(kernel.operand, kernel.result)
        if kernel.domain or kernel.op not in self._makers:
            raise EngineError(
                f"{kernel.op} has no kernel",
                where=f"stage {self._stage.name}, operator {kernel.name}",
                fix="place only nodes that the device supports",
            )
        return self._makers[kernel.op](kernel)

    def _reading(self, *values: Value) -> tuple[Value, ...]:
        """The values, of which weights become constants, as the memory holds them."""
        for value in values:
            if value.constant:
                self.constants[value.name] = self._format.held(self._stage.weight(value.name))
        return values

    def _matmul(self, operator: Operator) -> Kernel:
        left, right = (value for value in operator.inputs if value is not None)
        if right.constant and len(right.shape) == 2:
            multiply = self._by(operator.name, self._stage.weight(right.name))
            return _each_row(multiply, right.shape[1:]), self._reading(left), operator.writes
        shape = operator.writes[0].shape

        def run(one: Tensor, other: Tensor) -> Sequence[Tensor]:
            return [batched(self._products.both, one, other).reshape(shape)]

        return run, self._reading(left, right), operator.writes

    def _by(self, name: str, matrix: Tensor, bias: Tensor | None = None) -> Multiply:
        """Where K is split, a bias is added to what the tree of clusters gives."""
        clusters = self._clusters.get(name, 1)
        if clusters == 1:
            return self._products.by(matrix, bias)
        multiply = split(self._products, self._format, matrix, clusters)
        if bias is None:
            return multiply
        start = self._format.held(bias)
        return lambda rows: self._format.rounded(multiply(rows) + start)

    def _gemm(self, operator: Operator) -> Kernel:
        """Alpha and beta are folded into the weights, before these are rounded. A bias that is
        computed is added by itself."""
        left, right, *rest = operator.reads
        alpha, beta = (float(_number(operator, name, 1.0)) for name in ("alpha", "beta"))
        if not right.constant or _number(operator, "transA", 0):
            raise self._unsupported(operator, "only products with a weight on the right")
        matrix = self._stage.weight(right.name).astype(np.float64) * alpha
        matrix = matrix.T if _number(operator, "transB", 0) else matrix
        if rest and not rest[0].constant:
            raise self._unsupported(operator, "only a bias that is a weight")
        bias = self._stage.weight(rest[0].name) * beta if rest else np.zeros(1)
        if bias.ndim == 2 and len(bias) > 1:
            raise self._unsupported(operator, "only a bias that is the same for all rows")
        start = np.broadcast_to(bias.reshape(-1), matrix.shape[1:])
        return (
            _each_row(self._by(operator.name, matrix, start), matrix.shape[1:]),
            (left,),
            (operator.writes),
        )

    def _elementwise(self, function: Callable[..., Tensor], operator: Operator) -> Kernel:
        """Rounds once: `computed` has more than twice the digits of any smaller format."""
        first, second = (value for value in operator.inputs if value is not None)

        def run(one: Tensor, other: Tensor) -> Sequence[Tensor]:
            return [self._format.rounded(function(one, other))]

        return run, self._reading(first, second), operator.writes

    def _layer_norm(self, operator: Operator) -> Kernel:
        x, *weights = operator.reads
        axis = int(_number(operator, "axis", -1))
        axes = -axis if axis < 0 else len(x.shape) - axis
        epsilon = float(_number(operator, "epsilon", 1e-5))

        def run(x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Sequence[Tensor]:
            return [self._format.rounded(layer_norm(x, scale, bias, epsilon, axes))]

        return run, self._reading(x, *weights), operator.writes[:1]

    def _softmax(self, operator: Operator) -> Kernel:
        axis = int(_number(operator, "axis", -1))

        def run(x: Tensor) -> Sequence[Tensor]:
            return [self._format.rounded(softmax(x, axis))]

        return run, self._reading(*operator.reads), operator.writes

    def _gelu(self, operand: Value, result: Value) -> Kernel:
        return lambda x: [i_gelu(x, self._format)], self._reading(operand), (result,)

    def _check_gelu(self, gelu: Gelu) -> None:
        """The region's numbers, in whatever order its operators come, are those of a GELU."""
        found = sorted(
            round(abs(float(self._stage.weight(value.name).reshape(-1)[0])), 3)
            for operator in gelu.operators
            for value in operator.reads
            if value.constant
        )
        wanted = [
            [0.045, 0.5, 0.798, 1.0, 3.0] if gelu.by_tanh else [0.5, 0.707, 1.0],
            [0.045, 0.5, 0.798, 1.0, 3.0] if gelu.by_tanh else [0.5, 1.0, 1.414],
        ]
        if found not in wanted:
            raise self._unsupported(gelu.operators[-1], f"a GELU, whose numbers are not {found}")

    def _fused_attention(self, region: Attention) -> Kernel:
        scale = region.scale or 1.0
        if region.factor is not None:
            factor = float(self._stage.weight(region.factor.name).reshape(-1)[0])
            scale = 1 / factor if region.divides else factor
        operands = (region.query, region.key, region.value)
        masks = () if region.mask is None else (region.mask,)
        shape = region.result.shape

        def run(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Sequence[Tensor]:
            turned = k if region.key_is_turned else k.swapaxes(-1, -2)
            lead = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
            q, turned, v = (flat(each, lead) for each in (q, turned, v))
            if mask is not None:
                mask = flat(np.broadcast_to(mask, (*lead, q.shape[-2], v.shape[-2])), lead)
            result = self._attention(q, turned, v, scale=scale, mask=mask, causal=region.causal)
            return [result.reshape(shape)]

        return run, self._reading(*operands, *masks), (region.result,)

    def _view(self, operator: Operator) -> Kernel:
        shape = operator.writes[0].shape
        return lambda x: [x.reshape(shape)], self._reading(operator.reads[0]), operator.writes

    def _transpose(self, operator: Operator) -> Kernel:
        order = operator.attributes.get("perm")
        axes = tuple(map(int, order)) if isinstance(order, tuple) else None
        return lambda x: [np.transpose(x, axes)], self._reading(*operator.reads), operator.writes

    def _split(self, operator: Operator) -> Kernel:
        axis = int(_number(operator, "axis", 0))
        ends = np.cumsum([value.shape[axis] for value in operator.writes])[:-1]
        reads = self._reading(operator.reads[0])
        return lambda x: np.split(x, ends, axis), reads, operator.writes

    def _concat(self, operator: Operator) -> Kernel:
        axis = int(_number(operator, "axis", 0))
        values = [value for value in operator.inputs if value is not None]
        return lambda *each: [np.concatenate(each, axis)], self._reading(*values), operator.writes

    def _slice(self, operator: Operator) -> Kernel:
        x, starts, ends, *rest = (value for value in operator.inputs if value is not None)
        if not all(value.constant for value in (starts, ends, *rest)):
            raise self._unsupported(operator, "only parts that do not depend on data")
        first, last, *more = (
            self._stage.weight(value.name).tolist() for value in (starts, ends, *rest)
        )
        axes = more[0] if more else range(len(first))
        steps = more[1] if len(more) > 1 else [1] * len(first)
        parts = [slice(None)] * len(x.shape)
        for axis, start, end, step in zip(axes, first, last, steps, strict=True):
            if step < 0:
                raise self._unsupported(operator, "no parts that run backwards")
            parts[axis] = slice(start, end, step)
        return lambda x: [x[tuple(parts)]], self._reading(x), operator.writes

    def _unsupported(self, operator: Operator, what: str) -> EngineError:
        return EngineError(
            f"{operator.op}: the device has {what}",
            where=f"stage {self._stage.name}, operator {operator.name}",
            fix="place only nodes that the device supports",
        )


def _number(operator: Operator, name: str, usual: float) -> float:
    found = operator.attributes.get(name, usual)
    return found if isinstance(found, int | float) else usual


def _each_row(multiply: Multiply, outer: tuple[int, ...]) -> Run:
    def run(rows: Tensor) -> Sequence[Tensor]:
        flat = multiply(rows.reshape(-1, rows.shape[-1]))
        return [flat.reshape(*rows.shape[:-1], *outer)]

    return run

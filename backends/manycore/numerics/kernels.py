"""The kernels of a stage: what each operator, or region, computes on stored numbers."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Protocol, TypeAlias

import numpy as np

from stagecut.backends.manycore.numerics.attention import FlashAttention
from stagecut.backends.manycore.numerics.formats import Format
from stagecut.backends.manycore.numerics.functions import i_gelu, layer_norm, softmax
from stagecut.backends.manycore.numerics.partial_sums import split
from stagecut.backends.manycore.numerics.products import Multiply, products
from stagecut.backends.stacks import batched, flat
from stagecut.backends.views import VIEWS, view
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


class Split(Protocol):
    """Of a product behind an attention, whose `result` and `value` say what sizes there are."""

    @property
    def result(self) -> Value: ...

    @property
    def value(self) -> Value: ...

    def clusters(self, result: tuple[int, ...], keys: int) -> int:
        """Over how many its K is split, for a result of this shape, over so many keys."""
        ...


class Kernels:
    """Makes them; `constants` are the weights that are read as values. `splits` has products, by
    name, whose K may be split over clusters."""

    def __init__(
        self,
        stage: StageProgram,
        form: Format,
        *,
        exact: bool,
        tile: int,
        splits: Mapping[str, Split],
    ) -> None:
        self._stage = stage
        self._format = form
        self._splits = splits
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
            return self._by(operator, left, self._stage.weight(right.name))

        def run(one: Tensor, other: Tensor) -> Sequence[Tensor]:
            result = batched(self._products.both, one, other)
            rows = result[..., 0, :] if one.ndim == 1 else result
            return [rows[..., 0] if other.ndim == 1 else rows]

        return run, self._reading(left, right), operator.writes

    def _by(
        self, operator: Operator, left: Value, matrix: Tensor, bias: Tensor | None = None
    ) -> Kernel:
        """`left` times a weight. Where K may be split, sizes say over how many clusters."""
        found = self._splits.get(operator.name)
        outer = matrix.shape[1:]
        if found is None:
            run = _each_row(self._products.by(matrix, bias), outer)
            return run, self._reading(left), operator.writes
        multiply = cache(partial(self._over, matrix, bias))

        def split_by_sizes(rows: Tensor, result: Tensor, value: Tensor) -> Sequence[Tensor]:
            clusters = found.clusters(result.shape, value.shape[-2])
            return _each_row(multiply(clusters), outer)(rows)

        reads = self._reading(left, found.result, found.value)
        return split_by_sizes, reads, operator.writes

    def _over(self, matrix: Tensor, bias: Tensor | None, clusters: int) -> Multiply:
        """Where K is split, a bias is added to what the tree of clusters gives."""
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
        return self._by(operator, left, matrix, start)

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

        def run(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Sequence[Tensor]:
            turned = k if region.key_is_turned else k.swapaxes(-1, -2)
            lead = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
            q, turned, v = (flat(each, lead) for each in (q, turned, v))
            if mask is not None:
                mask = flat(np.broadcast_to(mask, (*lead, q.shape[-2], v.shape[-2])), lead)
            result = self._attention(q, turned, v, scale=scale, mask=mask, causal=region.causal)
            return [result.reshape(*lead, *result.shape[-2:])]

        return run, self._reading(*operands, *masks), (region.result,)

    def _view(self, operator: Operator) -> Kernel:
        operand, *rest = (value for value in operator.inputs if value is not None)
        axes = operator.attributes.get("axes")
        numbers = axes if isinstance(axes, tuple) else None
        if rest:
            numbers = self._stage.weight(rest[0].name).tolist()
        look = view(
            operator.op,
            None if numbers is None else [int(number) for number in numbers],
            int(_number(operator, "axis", 1)),
            keeps_zero=bool(_number(operator, "allowzero", 0)),
        )
        return lambda x: [look(x)], self._reading(operand), operator.writes

    def _transpose(self, operator: Operator) -> Kernel:
        order = operator.attributes.get("perm")
        axes = tuple(map(int, order)) if isinstance(order, tuple) else None
        return lambda x: [np.transpose(x, axes)], self._reading(*operator.reads), operator.writes

    def _split(self, operator: Operator) -> Kernel:
        axis = int(_number(operator, "axis", 0))
        operand, *rest = (value for value in operator.inputs if value is not None)
        sizes = operator.attributes.get("split")
        if rest:
            sizes = tuple(self._stage.weight(rest[0].name).tolist())
        count = len(operator.outputs)
        written = [at for at, value in enumerate(operator.outputs) if value is not None]

        def run(x: Tensor) -> Sequence[Tensor]:
            part = -(-x.shape[axis] // count)
            ends = np.cumsum(sizes if isinstance(sizes, tuple) else [part] * count)[:-1]
            parts = np.split(x, ends, axis)
            return [parts[at] for at in written]

        return run, self._reading(operand), operator.writes

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

"""Matrix products of a many-core device, fast and exact, with the bounds of their errors.

A core keeps one output in the lanes of a register, and adds the products of a step to them:

    fp64, fp32   lane = round(lane + a b)                 one product a lane: fused multiply-add
    fp16, fp8    lane = round(lane + a b + c d)           two, in the wider format: expanding
                                                          dot product, which rounds once

Then the lanes are added up, in pairs, in FP32 where they are FP16 (vfsumex, vfsum), and the result
is rounded to the stored format. K comes in tiles of 512 bytes: between them the result is stored,
and the next tile starts from it in its first lane. (Kernels `gemm_*_opt` of
pulp-platform/snitch_cluster, with `opt_ex` for FP16.)

Missing inputs of a last step are zeros, which change nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from stagecut.backends.manycore.numerics.formats import Format
from stagecut.backends.manycore.numerics.fused import fused, two_product
from stagecut.compiler.ir.device import Tensor

#: [rows, inner] -> [rows, outer], for one matrix.
Multiply: TypeAlias = Callable[[Tensor], Tensor]

#: Of K, that a cluster has in its scratchpad at a time: the library's own tile.
TILE_BYTES = 512


class Products(Protocol):
    """Products of arrays whose elements are numbers of the stored format."""

    def by(self, matrix: Tensor, bias: Tensor | None = None) -> Multiply:
        """Lay out `matrix` [inner, outer], of any floats, once. Sums start from `bias` [outer],
        which thus counts as one more input of 1."""
        ...

    def both(self, left: Tensor, right: Tensor, scale: float = 1.0) -> Tensor:
        """[n, rows, inner] by [n, inner, outer], times `scale` before it is rounded."""
        ...

    def onto(self, sums: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """The same, added to what is stored in `sums` [n, rows, outer]."""
        ...


@dataclass(frozen=True, slots=True)
class Fast:
    """Operands rounded, sums in float32 (float64 for FP64) by ONNX Runtime, the result rounded."""

    format: Format
    multiply: Callable[[Tensor, Tensor], Tensor]

    @classmethod
    def of(cls, form: Format) -> "Fast":
        from stagecut.backends.matmul import product

        return cls(form, product(form.computed))

    def by(self, matrix: Tensor, bias: Tensor | None = None) -> Multiply:
        from stagecut.backends.matmul import multiplier

        multiply, form = multiplier(self.format.held(matrix)), self.format
        start = form.held(np.zeros(matrix.shape[1]) if bias is None else bias)
        return lambda rows: form.rounded(multiply(rows) + start)

    def both(self, left: Tensor, right: Tensor, scale: float = 1.0) -> Tensor:
        return self.format.rounded(self.multiply(left, right) * self.format.computed.type(scale))

    def onto(self, sums: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self.format.rounded(self.multiply(left, right) + sums)


@dataclass(frozen=True, slots=True)
class Exact:
    """Every rounding of the kernels, in their order."""

    format: Format

    def by(self, matrix: Tensor, bias: Tensor | None = None) -> Multiply:
        held, outer = self.format.held(matrix)[None], matrix.shape[1]
        start = self.format.held(np.zeros(outer) if bias is None else bias)

        def multiply(rows: Tensor) -> Tensor:
            sums = np.broadcast_to(start, (1, len(rows), outer))
            return np.asarray(self.onto(sums, rows[None], held)[0])

        return multiply

    def both(self, left: Tensor, right: Tensor, scale: float = 1.0) -> Tensor:
        shape = (*left.shape[:-1], right.shape[-1])
        return self._tiled(np.zeros(shape), left, right, scale)

    def onto(self, sums: Tensor, left: Tensor, right: Tensor) -> Tensor:
        return self._tiled(sums, left, right, 1.0)

    def _tiled(self, sums: Tensor, left: Tensor, right: Tensor, scale: float) -> Tensor:
        """Only the last tile is scaled, in FP32 where the sums are narrower."""
        tile = TILE_BYTES // self.format.stored.itemsize
        inner = left.shape[-1]
        for first in range(0, inner, tile):
            a, b = left[..., first : first + tile], right[..., first : first + tile, :]
            total = self._tile(sums, a, b)
            if first + tile >= inner and scale != 1:
                total = _to(total * scale, self._reduced)
            sums = self.format.rounded(total.astype(self.format.computed))
        return np.asarray(sums, self.format.computed)

    def _tile(self, sums: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """[n, rows, outer], not yet rounded to the stored format."""
        form = self.format
        lacking = -left.shape[-1] % form.lanes
        a = np.pad(left.astype(np.float64), ((0, 0), (0, 0), (0, lacking)))
        b = np.pad(right.astype(np.float64), ((0, 0), (0, lacking), (0, 0)))
        lanes = [np.zeros(sums.shape) for _ in range(form.lanes // form.terms)]
        lanes[0] = sums.astype(np.float64)
        for step in range(0, a.shape[-1], form.lanes):
            for lane in range(len(lanes)):
                at = step + lane * form.terms
                lanes[lane] = self._add(lanes[lane], a, b, at)
        return self._reduce(lanes)

    def _add(self, lane: Tensor, a: Tensor, b: Tensor, at: int) -> Tensor:
        """One lane of one step."""
        first, second = a[..., at, None], b[..., at, None, :]
        if self.format.terms == 2:
            other = a[..., at + 1, None] * b[..., at + 1, None, :]
            return fused(lane, first * second, other, self.format.sums)
        if self.format.stored == np.float64:
            return fused(lane, *two_product(first, second), np.dtype(np.float64))
        return fused(lane, first * second, np.zeros(()), self.format.sums)

    @property
    def _reduced(self) -> np.dtype[Any]:
        """What lanes are added up in."""
        return np.dtype(np.float64 if self.format.sums == np.float64 else np.float32)

    def _reduce(self, lanes: list[Tensor]) -> Tensor:
        while len(lanes) > 1:
            pairs = zip(lanes[::2], lanes[1::2], strict=True)
            lanes = [_to(one + other, self._reduced) for one, other in pairs]
        return lanes[0]


def _to(array: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """Sums of two numbers of 24 bits or fewer round once: a double has more than twice as many."""
    return array.astype(dtype).astype(np.float64)


def products(form: Format, *, exact: bool) -> Products:
    return Exact(form) if exact else Fast.of(form)


def sum_error(inner: int, form: Format, *, exact: bool) -> tuple[float, float]:
    """How far a sum of `inner` products may be off before its result is stored: as a part of the
    sum of magnitudes, and by itself.

    `Fast` adds up in `computed`, whatever the order; `Exact` rounds each lane once a step, and once
    for each lane. n roundings of relative error u come to at most n u / (1 - n u) (N. Higham,
    Accuracy and Stability of Numerical Algorithms, section 3.1).
    """
    if exact:
        roundings = -(-inner // form.lanes) + form.lanes
        unit, tiny = form.sum_unit, form.sum_tiny
    else:
        roundings = inner
        unit, tiny = 2.0 ** (-53 if form.computed == np.float64 else -24), 0.0
    return roundings * unit / (1 - roundings * unit), roundings * form.lanes * tiny


def product_error(left: Tensor, right: Tensor, form: Format, *, exact: bool) -> Tensor:
    """A bound on the absolute error of a product of stored numbers, against the exact one.

    That of the sums, of half a unit of the result, and with `exact` of what is stored between the
    tiles of K. Holds where no number exceeds the largest finite one of its format.
    """
    inner = left.shape[-1]
    size, magnitude = np.abs(left @ right), np.abs(left) @ np.abs(right)
    relative, absolute = sum_error(inner, form, exact=exact)
    before = -(-inner // (TILE_BYTES // form.stored.itemsize)) - 1 if exact else 0
    stored = (1 + form.unit) ** before * (1 + relative) - 1
    summed = magnitude * stored + (absolute + before * form.tiny) * (1 + stored)
    result: Tensor = summed + np.maximum((size + summed) * form.unit, form.tiny)
    return result

"""A weight in few bits: the numbers that a product multiplies with, and the weight that they stand
for.

    blocks    values uint8 [outer, blocks, bytes of a block]   scales float32 [outer, blocks]
    columns   values int8 [inner, outer]                       scales float32 [outer]

    W[row, column] = (values - zero)[row, column] * scales[row // block, column]

In blocks, the lower four bits of a byte come first where there are four; zero stands in the middle
of what so many bits hold, and the last block is filled up. That is how ONNX Runtime's MatMulNBits
reads them, columns are as its MatMulInteger does.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

_Array = npt.NDArray[Any]

#: Of each block, as MatMulNBits takes them.
BLOCKS = (16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class Form:
    """How a matrix [`inner`, `outer`] is held: in so many `bits`, with a scale for each `block`
    rows of a column, or for the whole column where that is None. A form that exists is one of the
    two above: raises ValueError, with a sentence."""

    inner: int
    outer: int
    bits: int
    block: int | None

    def __post_init__(self) -> None:
        if self.inner < 1 or self.outer < 1:
            raise ValueError(f"a matrix of {self.inner} x {self.outer} has no numbers")
        if self.block is None and self.bits != 8:
            raise ValueError(f"columns are of 8 bits, not of {self.bits}")
        if self.bits not in {4, 8}:
            raise ValueError(f"weights are of 4 or of 8 bits, not of {self.bits}")
        if self.block is not None and self.block not in BLOCKS:
            raise ValueError(f"blocks are of {', '.join(map(str, BLOCKS))}, not of {self.block}")

    @property
    def blocks(self) -> int:
        """How many scales a column has."""
        return 1 if self.block is None else -(-self.inner // self.block)

    @property
    def values(self) -> tuple[ir.DataType, tuple[int, ...]]:
        """The type and the shape of the values."""
        if self.block is None:
            return ir.DataType.INT8, (self.inner, self.outer)
        return ir.DataType.UINT8, (self.outer, self.blocks, self.block * self.bits // 8)

    @property
    def scales(self) -> tuple[ir.DataType, tuple[int, ...]]:
        """The type and the shape of the scales."""
        shape = (self.outer,) if self.block is None else (self.outer, self.blocks)
        return ir.DataType.FLOAT, shape

    @property
    def size_bytes(self) -> int:
        """What values and scales take."""
        return sum(
            int(dtype.itemsize) * math.prod(shape) for dtype, shape in (self.values, self.scales)
        )


@dataclass(frozen=True, eq=False)
class Integers:
    """`values` are int8 [inner, outer], `scales` float32 [blocks, outer], each for `block` rows,
    the last of which may be fewer."""

    values: _Array
    scales: _Array
    block: int


@dataclass(frozen=True, eq=False)
class QuantisedMatrix:
    """The matrix that a product multiplies with, whose values and scales are of the types and
    shapes of the form: raises ValueError, with a sentence."""

    form: Form
    values: ir.TensorProtocol
    scales: ir.TensorProtocol

    def __post_init__(self) -> None:
        parts = ("values", self.values, self.form.values), ("scales", self.scales, self.form.scales)
        for name, tensor, (dtype, shape) in parts:
            found = tensor.dtype, tuple(tensor.shape.numpy())
            if found != (dtype, shape):
                raise ValueError(
                    f"has {name} {found[0].name} {[*found[1]]}, not {dtype.name} {[*shape]}"
                )

    @cached_property
    def digest(self) -> str:
        """Of its form and all its numbers."""
        found = hashlib.sha256(str(self.form).encode())
        for part in (self.values, self.scales):
            found.update(np.ascontiguousarray(part.numpy()).data)
        return found.hexdigest()

    def integers(self) -> Integers:
        """The numbers by themselves, in memory of their own."""
        form = self.form
        values, scales = (np.asarray(part.numpy()) for part in (self.values, self.scales))
        if form.block is None:
            return Integers(values.copy(), scales.reshape(1, -1).copy(), form.inner)
        packed = values.reshape(form.outer, -1)
        if form.bits == 4:
            packed = np.stack([packed & 15, packed >> 4], axis=-1).reshape(form.outer, -1)
        shifted = packed[:, : form.inner].astype(np.int16) - (1 << (form.bits - 1))
        return Integers(_turned(shifted.astype(np.int8)), _turned(scales), form.block)

    def numpy(self) -> _Array:
        """The matrix that they stand for, float32 [inner, outer]."""
        found = self.integers()
        scales = np.repeat(found.scales, found.block, axis=0)[: self.form.inner]
        matrix: _Array = found.values * scales
        return matrix


class QuantisedTensor(ir.LazyTensor):
    """The weight called `name` of a model, in float32 as far as the model can tell: the `matrix`,
    or, where products read the weight turned (Gemm's transB), the matrix turned. A convolution's is
    turned, and each of its rows a `kernel` of this shape. Raises ValueError, with a sentence, where
    they are not."""

    def __init__(
        self, name: str, matrix: QuantisedMatrix, *, turned: bool, kernel: tuple[int, ...] = ()
    ) -> None:
        form = matrix.form
        if kernel and not (turned and min(kernel) > 0 and math.prod(kernel) == form.inner):
            raise ValueError(f"has kernels {[*kernel]} in rows of {form.inner}")
        shape = (form.outer, *(kernel or (form.inner,))) if turned else (form.inner, form.outer)
        in_full = partial(_in_full, matrix, shape, turned=turned)
        super().__init__(in_full, ir.DataType.FLOAT, ir.Shape(shape), name=name)
        self.matrix = matrix
        self.turned = turned
        self.kernel = kernel

    def called(self, name: str) -> "QuantisedTensor":
        """The same under another name."""
        return QuantisedTensor(name, self.matrix, turned=self.turned, kernel=self.kernel)

    def is_like(self, other: "QuantisedTensor") -> bool:
        """Whether the other holds the same numbers in the same way."""
        if (self.turned, self.kernel) != (other.turned, other.kernel):
            return False
        return self.matrix is other.matrix or self.matrix.digest == other.matrix.digest

    def lying_in(self, values: ir.TensorProtocol, scales: ir.TensorProtocol) -> "QuantisedTensor":
        """The same, whose numbers lie elsewhere."""
        matrix = QuantisedMatrix(self.matrix.form, values, scales)
        return QuantisedTensor(self.name or "", matrix, turned=self.turned, kernel=self.kernel)


def stored_parts(name: str, tensor: ir.TensorProtocol) -> Iterator[tuple[str, ir.TensorProtocol]]:
    """The tensors that hold the numbers of a weight, with names of their own."""
    if isinstance(tensor, QuantisedTensor):
        yield f"{name}/values", tensor.matrix.values
        yield f"{name}/scales", tensor.matrix.scales
    else:
        yield name, tensor


def _in_full(matrix: QuantisedMatrix, shape: tuple[int, ...], *, turned: bool) -> ir.TensorProtocol:
    numbers = matrix.numpy()
    return ir.Tensor((_turned(numbers) if turned else numbers).reshape(shape))


def _turned(array: _Array) -> _Array:
    return np.array(array.T, order="C")

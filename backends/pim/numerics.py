"""The arithmetic of a PIM device, whose memory holds 16-bit numbers.

Numbers beyond the format's largest become infinite, as IEEE 754 has it. Between a stage's operators
they are kept in float32 arrays, which hold every 16-bit number: numpy computes with these far
faster than with 16 bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import ml_dtypes
import numpy as np
import numpy.typing as npt

from stagecut.compiler.ir.device import Tensor

#: A function of each number, in float32.
Function: TypeAlias = Callable[[Tensor], Tensor]

#: [rows, inner] -> [rows, outer], for one weight matrix.
Multiply: TypeAlias = Callable[[Tensor], Tensor]


class Arithmetic(Protocol):
    """Works on float32 arrays of `dtype`'s numbers."""

    @property
    def dtype(self) -> npt.DTypeLike: ...

    def product(self, matrix: Tensor) -> Multiply:
        """Round and lay out a weight matrix [inner, outer] of any floats, once."""
        ...

    def add(self, first: Tensor, second: Tensor) -> Tensor: ...
    def sub(self, first: Tensor, second: Tensor) -> Tensor: ...
    def mul(self, first: Tensor, second: Tensor) -> Tensor: ...
    def multiply_add(self, first: Tensor, second: Tensor, third: Tensor) -> Tensor: ...
    def relu(self, operand: Tensor) -> Tensor: ...
    def look_up(self, function: Function, operand: Tensor) -> Tensor:
        """Of a function that the device has as a table."""
        ...


@dataclass(frozen=True, slots=True)
class Passes:
    """The element-wise part, which is the same bit for bit however products are added up.

    Each operation rounds once: a float32 result of two 16-bit operands, rounded to 16 bits, is the
    correctly rounded one, because float32 has more than twice as many digits.
    """

    dtype: npt.DTypeLike

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        return rounded(first + second, self.dtype)

    def sub(self, first: Tensor, second: Tensor) -> Tensor:
        return rounded(first - second, self.dtype)

    def mul(self, first: Tensor, second: Tensor) -> Tensor:
        return rounded(first * second, self.dtype)

    def multiply_add(self, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        """Two roundings: no unit fuses them."""
        return self.add(self.mul(first, second), third)

    def relu(self, operand: Tensor) -> Tensor:
        """The unit looks at the sign bit alone: -0 and NaNs with it set become +0, too."""
        return np.where(np.signbit(operand), np.float32(0), operand)

    def look_up(self, function: Function, operand: Tensor) -> Tensor:
        """The function itself, rounded once: what devices hold in their tables, and how they
        interpolate, is not published."""
        return rounded(function(operand), self.dtype)


@dataclass(frozen=True, slots=True)
class Fast(Passes):
    """Operands rounded to `dtype`, products accumulated in float32, the result rounded once."""

    def product(self, matrix: Tensor) -> Multiply:
        from stagecut.backends.pim.matmul import multiplier

        multiply, dtype = multiplier(held(matrix, self.dtype)), self.dtype
        return lambda rows: rounded(multiply(rows), dtype)


def product_error(rows: Tensor, weight: Tensor) -> Tensor:
    """The most by which `Fast.product` in float16 is away from the exact product of its operands.

    Products of two 11-bit numbers are exact in float32 (24 bits), so only additions round. With n
    terms, in whatever order they are added, and u = (n - 1) 2**-24, the sum is off by at most
    u / (1 - u) times the sum of magnitudes (N. Higham, Accuracy and Stability of Numerical
    Algorithms, section 4.2). The result is then rounded to 11 bits, or to a multiple of 2**-24
    where it is subnormal. Holds where no number exceeds the largest finite one.
    """
    u = (rows.shape[-1] - 1) * 2.0**-24
    summed: Tensor = np.abs(rows) @ np.abs(weight) * (u / (1 - u))
    rounded: Tensor = np.maximum((np.abs(rows @ weight) + summed) * 2.0**-11, 2.0**-25)
    return summed + rounded


def narrow(array: Tensor, dtype: npt.DTypeLike) -> Tensor:
    """Round to nearest even; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def wide(array: Tensor) -> Tensor:
    """Every 16-bit number is a float32 number, too."""
    return array.astype(np.float32)


def held(array: Tensor, dtype: npt.DTypeLike) -> Tensor:
    """Any floats as the memory holds them, in float32."""
    return wide(narrow(array, dtype))


def rounded(array: Tensor, dtype: npt.DTypeLike) -> Tensor:
    """`held` for float32, four times as fast; uses `array` for the result.

    Where rounding is no matter of bits alone, among subnormal, huge and infinite numbers and NaNs,
    it is done by the number formats themselves.
    """
    array = np.asarray(array)
    info = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    size = np.abs(array)
    special = ~((size < info.max) & ((size >= info.smallest_normal) | (size == 0)))
    apart = held(array[special], dtype) if special.any() else None
    _round_bits(array.view(np.uint32), cut=23 - info.nmant)
    if apart is not None:
        array[special] = apart
    return array


def _round_bits(words: Tensor, *, cut: int) -> None:
    """Round float32 numbers to nearest even where their last `cut` bits are to be zero.

    Half of the last digit that stays is added, less one bit where that digit is even; the rest is
    cut off. A carry goes into the exponent, as it should.
    """
    words += ((words >> np.uint32(cut)) & np.uint32(1)) + np.uint32((1 << (cut - 1)) - 1)
    words &= np.uint32((1 << 32) - (1 << cut))

"""The arithmetic of a PIM device, whose memory holds 16-bit numbers (fp16 or bf16).

Results beyond the largest finite number become infinite, as in IEEE 754. Between the operators of a
stage, values are kept in float32 arrays of 16-bit numbers, because numpy computes with float32 far
faster than with 16-bit formats.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from stagecut.backends.rounding import held, rounded
from stagecut.compiler.ir.device import Tensor

#: A function of each number, in float32.
Function: TypeAlias = Callable[[Tensor], Tensor]

#: [rows, inner] -> [rows, outer], for one weight matrix.
Multiply: TypeAlias = Callable[[Tensor], Tensor]


class Arithmetic(Protocol):
    """Operations on float32 arrays whose elements are numbers of `dtype`."""

    @property
    def dtype(self) -> npt.DTypeLike: ...

    def product(self, matrix: Tensor) -> Multiply:
        """Round a weight matrix [inner, outer] of any floats to `dtype` and lay it out, once."""
        ...

    def add(self, first: Tensor, second: Tensor) -> Tensor: ...
    def sub(self, first: Tensor, second: Tensor) -> Tensor: ...
    def mul(self, first: Tensor, second: Tensor) -> Tensor: ...
    def multiply_add(self, first: Tensor, second: Tensor, third: Tensor) -> Tensor: ...
    def relu(self, operand: Tensor) -> Tensor: ...
    def look_up(self, function: Function, operand: Tensor) -> Tensor:
        """`function` of each number, which the device looks up in a table."""
        ...


@dataclass(frozen=True, slots=True)
class Passes:
    """Element-wise operations, which do not depend on how a device adds up products.

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
        """first * second + third, rounded after each operation: no device fuses them."""
        return self.add(self.mul(first, second), third)

    def relu(self, operand: Tensor) -> Tensor:
        """+0 for every number whose sign bit is set: for -0 and such NaNs, too."""
        return np.where(np.signbit(operand), np.float32(0), operand)

    def look_up(self, function: Function, operand: Tensor) -> Tensor:
        """`function` itself, rounded once.

        The contents of the devices' tables, and how they interpolate, are not published.
        """
        return rounded(function(operand), self.dtype)


@dataclass(frozen=True, slots=True)
class Fast(Passes):
    """Operands rounded to `dtype`, products accumulated in float32, the result rounded once."""

    def product(self, matrix: Tensor) -> Multiply:
        from stagecut.backends.matmul import multiplier

        multiply, dtype = multiplier(held(matrix, self.dtype)), self.dtype
        return lambda rows: rounded(multiply(rows), dtype)


def product_error(rows: Tensor, weight: Tensor) -> Tensor:
    """A bound on the absolute error of `Fast.product` in float16, [rows, outer].

    The error is that against the exact product of the rounded operands.
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

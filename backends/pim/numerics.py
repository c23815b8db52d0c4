"""The arithmetic of a PIM device, whose memory holds 16-bit numbers.

Numbers beyond the format's largest become infinite, as IEEE 754 has it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stagecut.compiler.backend import Tensor


class Arithmetic(Protocol):
    """Works on arrays as the memory holds them, of `dtype`; weights are laid out once."""

    @property
    def dtype(self) -> npt.DTypeLike: ...

    def lay_out(self, matrix: Tensor) -> Tensor:
        """A weight matrix [inner, outer] as `product` wants it."""
        ...

    def product(self, rows: Tensor, weight: Tensor) -> Tensor:
        """[..., inner] x a weight that was laid out -> [..., outer]."""
        ...

    def add(self, first: Tensor, second: Tensor) -> Tensor: ...
    def sub(self, first: Tensor, second: Tensor) -> Tensor: ...
    def mul(self, first: Tensor, second: Tensor) -> Tensor: ...
    def multiply_add(self, first: Tensor, second: Tensor, third: Tensor) -> Tensor: ...
    def relu(self, operand: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Passes:
    """The element-wise part, which is the same bit for bit however products are added up.

    Each operation rounds once: a float32 result of two 16-bit operands, rounded to 16 bits, is the
    correctly rounded one, because float32 has more than twice as many digits.
    """

    dtype: npt.DTypeLike

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        return narrow(wide(first) + wide(second), self.dtype)

    def sub(self, first: Tensor, second: Tensor) -> Tensor:
        return narrow(wide(first) - wide(second), self.dtype)

    def mul(self, first: Tensor, second: Tensor) -> Tensor:
        return narrow(wide(first) * wide(second), self.dtype)

    def multiply_add(self, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        """Two roundings: no unit fuses them."""
        return self.add(self.mul(first, second), third)

    def relu(self, operand: Tensor) -> Tensor:
        """The unit looks at the sign bit alone: -0 and NaNs with it set become +0, too."""
        return np.where(np.signbit(operand), operand.dtype.type(0), operand)


@dataclass(frozen=True, slots=True)
class Fast(Passes):
    """Operands rounded to `dtype`, products accumulated in float32, the result rounded once."""

    def lay_out(self, matrix: Tensor) -> Tensor:
        return wide(narrow(matrix, self.dtype))

    def product(self, rows: Tensor, weight: Tensor) -> Tensor:
        inner, outer = weight.shape
        sums = wide(rows).reshape(-1, inner) @ weight
        return narrow(sums, self.dtype).reshape(*rows.shape[:-1], outer)


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

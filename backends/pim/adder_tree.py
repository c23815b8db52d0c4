"""Products of bf16 numbers, added up by the adder tree beside every bank, bit for bit.

A burst of inputs is multiplied by a burst of weights; products of two bf16 numbers are exact in
float32. The tree adds neighbours, lanes 0 and 1, 2 and 3, ..., then these sums in pairs, and so on;
each addition is rounded to float32. The sum of the burst is added to the float32 sum of the bursts
before it. The result is rounded to bf16 when it is read.

No vendor publishes the order of the additions; it is stated here so that results can be repeated.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from stagecut.backends.pim.numerics import Multiply, Passes
from stagecut.backends.rounding import held, rounded
from stagecut.compiler.ir.device import Tensor

#: Number of products computed at a time, so that they stay in a core's cache.
_AT_A_TIME = 1 << 16


@dataclass(frozen=True, slots=True)
class AdderTree(Passes):
    """Products with a tree of `lanes` inputs, a power of two."""

    lanes: int

    def product(self, matrix: Tensor) -> Multiply:
        """Lay out `matrix` [inner, outer] as [bursts, lanes, outer], padded with zeros."""
        padded = np.pad(held(matrix, self.dtype), ((0, -len(matrix) % self.lanes), (0, 0)))
        return partial(self._multiply, padded.reshape(-1, self.lanes, matrix.shape[1]))

    def _multiply(self, weight: Tensor, rows: Tensor) -> Tensor:
        bursts, lanes, outer = weight.shape
        padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % lanes)))
        inputs = padded.reshape(-1, bursts, lanes)
        step = max(1, _AT_A_TIME // (lanes * outer))
        sums = [
            _summed(inputs[first : first + step], weight) for first in range(0, len(inputs), step)
        ]
        return rounded(np.concatenate(sums), self.dtype)


def _summed(inputs: Tensor, weight: Tensor) -> Tensor:
    """Float32 sums: [rows, bursts, lanes] x [bursts, lanes, outer] -> [rows, outer]."""
    total = np.zeros((len(inputs), weight.shape[-1]), np.float32)
    for burst, row in enumerate(weight):
        level = inputs[:, burst, :, None] * row
        while level.shape[1] > 1:
            level = level[:, ::2] + level[:, 1::2]
        total = total + level[:, 0]
    return total

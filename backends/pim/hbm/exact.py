"""Products of an HBM-PIM bit for bit, added up in the order of the hardware.

Each number of a burst of 16 inputs goes to a lane, which keeps a sum of its own. Each term is
rounded twice to nearest even, after the multiplication and after the addition (no fused
multiply-add):

    sum = fp16(fp16(weight * input) + sum)

Inputs come in tiles of 128, that is 8 bursts: first the even tiles (0, 2, 4, ...), then the odd
ones. Then the host adds up the 16 lanes in order, in fp16.

With `tree` every input tile starts from sums of zero. Once the lanes of each tile are added up, the
sums of tiles 0 and 1, 2 and 3, ... are added in pairs, the results again in pairs, and so on; a
last one without a partner goes on to the next round as it is.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from stagecut.backends.pim.hbm.parameters import Geometry
from stagecut.backends.pim.numerics import Multiply, Passes
from stagecut.backends.rounding import held
from stagecut.compiler.ir.device import Tensor

#: Number of sums computed at a time, so that they stay in a core's cache.
_AT_A_TIME = 1 << 16


@dataclass(frozen=True, slots=True)
class LaneOrder(Passes):
    """Products as the vendor's simulator adds them up, where each output has one channel."""

    geometry: Geometry
    tree: bool

    def product(self, matrix: Tensor) -> Multiply:
        """Lay out `matrix` [inner, outer] as [tiles, bursts, lanes, outer], even tiles first."""
        padded = np.pad(held(matrix, self.dtype), ((0, -len(matrix) % self._tile), (0, 0)))
        tiled = padded.reshape(-1, self.geometry.registers, self.geometry.lanes, matrix.shape[1])
        return partial(self._multiply, tiled[_even_first(len(tiled))])

    def _multiply(self, weight: Tensor, rows: Tensor) -> Tensor:
        tiles, bursts, lanes, outer = weight.shape
        padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % self._tile)))
        inputs = padded.reshape(-1, tiles, bursts, lanes)[:, _even_first(tiles)]
        step = max(1, _AT_A_TIME // (lanes * outer))
        parts = [
            self._sums(inputs[first : first + step], weight)
            for first in range(0, len(inputs), step)
        ]
        return np.concatenate(parts)

    @property
    def _tile(self) -> int:
        return self.geometry.tile_inputs

    def _sums(self, inputs: Tensor, weight: Tensor) -> Tensor:
        """Products of `inputs` [rows, tiles, bursts, lanes]: [rows, outer]."""
        if not self.tree:
            return self._lanes_added(self._accumulate(inputs, weight))
        by_tile = [
            self._lanes_added(self._accumulate(inputs[:, [tile]], weight[[tile]]))
            for tile in np.argsort(_even_first(len(weight)))
        ]
        while len(by_tile) > 1:
            pairs = zip(by_tile[::2], by_tile[1::2], strict=False)
            left = by_tile[-1:] if len(by_tile) % 2 else []
            by_tile = [*(self.add(first, second) for first, second in pairs), *left]
        return by_tile[0]

    def _accumulate(self, inputs: Tensor, weight: Tensor) -> Tensor:
        """Sums of every lane: [rows, tiles, bursts, lanes] x [tiles, bursts, lanes, outer] ->
        [rows, lanes, outer]."""
        rows, tiles, bursts, lanes = inputs.shape
        sums = np.zeros((rows, lanes, weight.shape[-1]), np.float32)
        for tile in range(tiles):
            for burst in range(bursts):
                sums = self.multiply_add(inputs[:, tile, burst, :, None], weight[tile, burst], sums)
        return sums

    def _lanes_added(self, sums: Tensor) -> Tensor:
        total = sums[:, 0]
        for lane in range(1, sums.shape[1]):
            total = self.add(total, sums[:, lane])
        return total


def _even_first(tiles: int) -> Tensor:
    """Indices of tiles in the order of the hardware: 0, 2, 4, ..., 1, 3, 5, ..."""
    return np.array([*range(0, tiles, 2), *range(1, tiles, 2)])

"""How the weights of a product can be spread over the channels of an HBM-PIM.

The vendor's simulator gives each channel outputs of its own. Where there are fewer outputs than the
channels' registers hold, channels would idle; then `ways` channels can share each output, every one
of them adding up a part of the inner dimension, and the host adds up what they hand back.

              1 way                               2 ways
    channel   outputs   inner numbers             outputs   inner numbers
       0       0..63      0..1023                  0..63      0..511
       1      64..127     0..1023                 64..127     0..511
       2                                           0..63    512..1023
       3                                          64..127   512..1023
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stagecut.backends.pim.hbm.parameters import Geometry
from stagecut.backends.pim.work import Product


@dataclass(frozen=True, slots=True)
class Placement:
    """`output_tiles` and `input_tiles` on each channel."""

    ways: int
    output_tiles: int
    input_tiles: int

    def bytes_padded(self, g: Geometry) -> int:
        """Weights in whole tiles, in every channel that takes part."""
        tiles = g.channels // self.ways * self.ways * self.output_tiles * self.input_tiles
        return tiles * g.tile_outputs * g.tile_inputs * 2


def placements(g: Geometry, work: Product) -> Iterator[Placement]:
    """Every placement that differs, the vendor's first."""
    wanted = -(-work.inner // g.tile_inputs)
    seen: set[tuple[int, int]] = set()
    for ways in range(1, min(g.channels, wanted) + 1):
        outputs = -(-work.outer // (g.tile_outputs * (g.channels // ways)))
        tiles = (outputs, -(-wanted // ways))
        if tiles not in seen:
            seen.add(tiles)
            yield Placement(ways, *tiles)

"""How the weights of a product are spread over the channels, banks and rows of an HBM-PIM.

The vendor's simulator gives each channel outputs of its own. Where there are fewer outputs than the
registers of all channels hold, some channels would idle. Then `ways` channels can share each
output: each of them adds up a part of the inner dimension, and the host adds up their sums.

Four channels, 128 outputs, an inner dimension of 1024:

              1 way                               2 ways
    channel   outputs   inner numbers             outputs   inner numbers
       0       0..63      0..1023                  0..63      0..511
       1      64..127     0..1023                 64..127     0..511
       2                                           0..63    512..1023
       3                                          64..127   512..1023

In a channel, each of the eight blocks has an eighth of a tile's outputs. A block's even bank holds
the even input tiles, its odd bank the odd ones. Tiles lie in consecutive rows, two rows each; three
input tiles and two output tiles lie like this:

    row        even bank                    odd bank
    0, 1       inputs   0..127              inputs 128..255      first output tile
    2, 3       inputs 256..383              (an odd number of input tiles leaves a gap)
    4, 5       inputs   0..127              inputs 128..255      second output tile
    6, 7       inputs 256..383
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from stagecut.backends.pim.architecture import Tile
from stagecut.backends.pim.hbm.parameters import Geometry
from stagecut.backends.pim.work import Product


@dataclass(frozen=True, slots=True)
class Placement:
    """`ways` channels share each output; the numbers of tiles are those on each channel."""

    ways: int
    output_tiles: int
    input_tiles: int

    def bytes_padded(self, g: Geometry) -> int:
        """Bytes of the weights in whole tiles, of all channels that take part."""
        tiles = g.channels // self.ways * self.ways * self.output_tiles * self.input_tiles
        return tiles * g.tile_outputs * g.tile_inputs * 2

    def rows(self, g: Geometry) -> int:
        """Rows that the weights take in every bank, gaps included."""
        return self.output_tiles * -(-self.input_tiles // 2) * g.tile_rows


def placements(g: Geometry, work: Product) -> Iterator[Placement]:
    """Every placement whose numbers of tiles differ; first the vendor's, with one way."""
    wanted = -(-work.inner // g.tile_inputs)
    seen: set[tuple[int, int]] = set()
    for ways in range(1, min(g.channels, wanted) + 1):
        outputs = -(-work.outer // (g.tile_outputs * (g.channels // ways)))
        tiles = (outputs, -(-wanted // ways))
        if tiles not in seen:
            seen.add(tiles)
            yield Placement(ways, *tiles)


def tiles(g: Geometry, p: Placement) -> Iterator[Tile]:
    """The tiles of every block, padding included; channel by channel, in the order of rows."""
    sharing = g.channels // p.ways
    for channel, step, tile, block in product(
        range(sharing * p.ways), range(p.output_tiles), range(p.input_tiles), range(g.blocks)
    ):
        way, member = divmod(channel, sharing)
        first_input = (way * p.input_tiles + tile) * g.tile_inputs
        first_output = ((step * sharing + member) * g.blocks + block) * g.registers
        pair = step * -(-p.input_tiles // 2) + tile // 2
        rank, row = divmod(pair * g.tile_rows, g.compute_rows)
        yield Tile(
            inputs=(first_input, first_input + g.tile_inputs),
            outputs=(first_output, first_output + g.registers),
            channel=channel,
            rank=rank,
            bank=2 * block + tile % 2,
            row=row,
            rows=g.tile_rows,
        )

"""FlashAttention-2 of one head on one cluster: rows of Q by tiles, columns of K and V by tiles.

    DMA    | Q |        | K V |                              | K V |                     | O |
    cores      | init |       | Q K^T | softmax | V^T | P V |      | Q K^T | ... | divide |
                              '------------ a tile of columns ------------'

    T = sum over tiles of rows ( Q + start + sum over tiles of columns ( KV + QK + SM + PV )
                                 + rescale + O )
    KV = two 2-D transfers + issue             QK = gemm(rows, columns, d)
    SM = each ((columns + 1) exponential + d divide, from the second tile on)
    PV = columns d transpose / cores + gemm(rows, d, columns), adding from the second tile on
    rescale = call + each d divide              each: rows of the busiest core, the last one, which
                                                takes all that are left over

Nothing overlaps, as in the library. Levers: `double_buffer` hides KV of the next tile behind this
one, `near_exp`, `transposed_v` and `multiply_not_divide` take what their names say, `split_n` deals
the columns of a single row out to the cores. The baseline multiplies by scalar code and does not
transpose. Rows that are left over at the end are filled up to as many for each core, where that is
faster [guess: the library drops them]. Where masked from the diagonal on (`causal`), tiles that are
masked throughout are left out [guess: the library computes them].

Sources: [rtl] for each phase and the whole, on one cluster in fp32, fp16 and fp8; fp64 as fp32
[guess].
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.kernels.barrier import barrier
from stagecut.backends.manycore.kernels.dma import done_2d, rows_2d
from stagecut.backends.manycore.kernels.expf import exponential
from stagecut.backends.manycore.kernels.gemm import gemm
from stagecut.backends.manycore.kernels.gemv import gemv


@dataclass(frozen=True, slots=True)
class Head:
    """`queries` rows of Q against `keys` rows of K and V, each of `d` numbers. The results of so
    many heads are `kept` in the scratchpad of their cluster; with 0, they are stored."""

    queries: int
    keys: int
    d: int
    causal: bool = False
    kept: int = 0

    def kept_bytes(self, chip: Chip) -> int:
        return self.kept * self.queries * self.d * chip.number_bytes


@dataclass(frozen=True, slots=True)
class Tile:
    """Rows of Q and of K that are in the scratchpad together."""

    rows: int
    columns: int

    def size_bytes(self, chip: Chip, d: int) -> int:
        """Q, K, V, V transposed, S, P, O, and maxima and sums in fp32; K and V twice where the next
        ones are fetched early."""
        stacks = 2 + chip.optimised + (2 if chip.levers.double_buffer else 0)
        if chip.optimised and chip.levers.transposed_v:
            stacks -= 1
        numbers = 2 * self.rows * d + stacks * self.columns * d + 2 * self.rows * self.columns
        return numbers * chip.number_bytes + 3 * 4 * self.rows


#: A tile, and whether it is the first of its rows -> cycles of fetching K and V, and of the work.
Price: TypeAlias = Callable[[Tile, bool], tuple[float, int]]


def copy_kv(chip: Chip, tile: Tile, d: int, clusters: int = 1) -> float:
    both = 2 * rows_2d(chip, d * chip.number_bytes, tile.columns, "read", clusters)
    return chip.dma.dma_read_2d + both + chip.dma.dma_issue


def scores(chip: Chip, tile: Tile, d: int) -> int:
    return _product(chip, tile.rows, tile.columns, d, accumulate=False)


def softmax_tile(chip: Chip, tile: Tile, d: int, *, first: bool) -> int:
    busy = min(tile.rows, chip.geometry.cores)
    columns, numbers = tile.columns, d
    if _is_split(chip, tile):
        busy = chip.geometry.cores
        columns, numbers = -(-columns // busy), -(-d // busy)
    rescaled = 0 if first else numbers * _rescale(chip)
    return round(_each(chip, tile) * ((columns + 1) * exponential(chip, busy) + rescaled))


def outputs(chip: Chip, tile: Tile, d: int, *, first: bool) -> int:
    """P V, with V transposed before that where it has to be."""
    product = _product(chip, tile.rows, d, tile.columns, accumulate=not first)
    if not chip.optimised or chip.levers.transposed_v:
        return product
    return product + round(tile.columns * d * chip.rows.transpose / chip.geometry.cores)


def rescale(chip: Chip, tile: Tile, d: int) -> int:
    numbers = -(-d // chip.geometry.cores) if _is_split(chip, tile) else d
    return chip.rows.rescale_call + round(_each(chip, tile) * numbers * _rescale(chip))


def attention(chip: Chip, head: Head, tile: Tile, clusters: int = 1) -> float:
    """Cycles of a head while so many clusters transfer."""
    # equal tiles are priced once: a head of 2,048 tokens has tens of thousands
    price = cache(lambda part, first: _priced(chip, part, head.d, clusters, first=first))
    of_rows = cache(
        lambda rows, keys: (
            _rows(chip, Tile(rows, tile.columns), keys, price)
            + rescale(chip, Tile(rows, tile.columns), head.d)
        )
    )
    around = cache(lambda rows: _around(chip, head, rows, clusters))
    total = 0.0
    for start in range(0, head.queries, tile.rows):
        rows = min(tile.rows, head.queries - start)
        seen = max(1, head.keys - head.queries + start + rows if head.causal else head.keys)
        ways = {rows, min(whole_rows(chip, rows), tile.rows)}
        total += around(rows) + min(of_rows(way, seen) for way in ways)
    return total


def whole_rows(chip: Chip, rows: int) -> int:
    """As many rows for each core; those that are too many are computed and not stored."""
    return -(-rows // chip.geometry.cores) * chip.geometry.cores


def _around(chip: Chip, head: Head, rows: int, clusters: int) -> float:
    """Q and O of a tile of rows, and starting it."""
    row_bytes = head.d * chip.number_bytes
    moved = done_2d(chip, row_bytes, rows, "read", clusters)
    if not head.kept:
        moved += done_2d(chip, row_bytes, rows, "write", clusters)
    return moved + chip.rows.attention_tile


def _rows(chip: Chip, tile: Tile, keys: int, price: Price) -> float:
    """All tiles of columns of a tile of rows."""
    widths = [min(tile.columns, keys - start) for start in range(0, keys, tile.columns)]
    prices = [price(Tile(tile.rows, width), at == 0) for at, width in enumerate(widths)]
    loads, works = zip(*prices, strict=True)
    if not chip.levers.double_buffer:
        return float(sum(loads) + sum(works))
    hidden = sum(max(work, load) for work, load in zip(works, loads[1:], strict=False))
    return float(loads[0] + hidden + works[-1] + len(widths) * barrier(chip))


def _priced(chip: Chip, tile: Tile, d: int, clusters: int, *, first: bool) -> tuple[float, int]:
    """Cycles of fetching K and V, and of the work on them."""
    work = (
        scores(chip, tile, d)
        + softmax_tile(chip, tile, d, first=first)
        + outputs(chip, tile, d, first=first)
    )
    return copy_kv(chip, tile, d, clusters), work


def _product(chip: Chip, m: int, n: int, k: int, *, accumulate: bool) -> int:
    if m == 1:
        return gemv(chip, n, k, accumulate=accumulate)
    return gemm(chip, m, n, k, accumulate=accumulate)


def _each(chip: Chip, tile: Tile) -> int:
    return tile.rows // chip.geometry.cores + tile.rows % chip.geometry.cores


def _is_split(chip: Chip, tile: Tile) -> bool:
    return chip.optimised and chip.levers.split_n and tile.rows == 1


def _rescale(chip: Chip) -> float:
    return chip.rows.multiply if chip.levers.multiply_not_divide else chip.rows.divide

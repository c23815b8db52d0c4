"""A product over all clusters: tiles of C dealt out to clusters, longest first, K step by step.

    cluster 0   | tile (0, 0): k0 k1 k2 ... store | tile (0, 16): ... |      16 clusters
    cluster 1   | tile (0, 1): k0 k1 k2 ... store | tile (0, 17): ... |
      ...

Each step fetches its part of A, rows of k, and of B, rows of k, since weights lie transposed in the
HBM. What follows the product in its node (bias, GELU, residual) is computed on the tile before that
is stored: `follow`. The time is that of the first cluster, which has the longest tile of each
round.

Sources: tiles and their order [script]; the steps are those of kernels/ and pipeline.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from stagecut.backends.manycore import pipeline, tiling
from stagecut.backends.manycore.banks import BANK_BYTES
from stagecut.backends.manycore.chip import UNROLL, Chip
from stagecut.backends.manycore.kernels.dma import beats, rows_2d
from stagecut.backends.manycore.kernels.elementwise import axpy
from stagecut.backends.manycore.kernels.gelu import gelu
from stagecut.backends.manycore.kernels.gemm import gemm
from stagecut.backends.manycore.kernels.gemv import gemv
from stagecut.backends.manycore.kernels.reduction import reduction
from stagecut.backends.manycore.pipeline import Fetch, Pipeline, Step
from stagecut.backends.manycore.tiling import Tile

#: m, n, k, whether it adds to what is there -> cycles on a cluster.
Kernel: TypeAlias = Callable[[int, int, int, bool], float]

#: By how much conflicts lengthen a product of several rows a core, roughly, where its rows are an
#: odd number of lines, and else; of one row a core, between 1.02 and 1.14 in the table.
_ROUGHLY_ODD, _ROUGHLY = 1.01, 1.03


@dataclass(frozen=True, slots=True)
class Product:
    """`count` products [m, k] by [k, n]; `follow` has what is done to each result.

    "add" fetches another operand of the same size; "scale" (a bias or a factor) does not. Where
    more than one are `summed`, so many clusters compute all of C with a K of their own, and add up
    what they have (concat.py); the left factor is in their scratchpads already where it is `held`.
    """

    m: int
    n: int
    k: int
    count: int = 1
    follow: tuple[str, ...] = ()
    summed: int = 1
    held: bool = False

    @property
    def rows(self) -> int:
        return self.count * self.m

    @property
    def reads(self) -> int:
        """Numbers of a row of the left factor."""
        return self.k

    @property
    def columns(self) -> int:
        return self.n


@dataclass(frozen=True, slots=True)
class Tiled:
    """A product with its tile: cycles, clusters in use, and bytes to and from the HBM."""

    tile: Tile
    cycles: float
    clusters: int
    dma_bytes: int


def tiled(chip: Chip, product: Product) -> Tiled:
    """With double buffering only where that is faster."""
    return _fastest(chip.of_products, product)


@lru_cache(maxsize=1024)
def _fastest(chip: Chip, product: Product) -> Tiled:
    return min((_tiled(one, product) for one in chip.bufferings), key=lambda each: each.cycles)


def _tiled(chip: Chip, product: Product) -> Tiled:
    tile = _tile(chip, product)
    return Tiled(
        tile,
        _cycles(chip, product, tile, multiplying(chip)),
        _clusters(chip, product, tile),
        _dma_bytes(chip, product, tile),
    )


def _tile(chip: Chip, product: Product) -> Tile:
    if not (chip.levers.find_tiles and chip.optimised):
        return tiling.given(chip, product.m, product.n, product.k)
    choices = list(tiling.candidates(chip, product.m, product.n, product.k))
    return tiling.best(
        choices,
        lambda tile: _cycles(chip, product, tile, roughly(chip)),
        lambda tile: _cycles(chip, product, tile, multiplying(chip)),
    )


def multiplying(chip: Chip) -> Kernel:
    """The whole model of a product of a tile."""

    def cycles(m: int, n: int, k: int, adds: bool) -> float:
        if m == 1:
            return gemv(chip, n, k, accumulate=adds)
        return gemm(chip, m, n, k, accumulate=adds)

    return cycles


def roughly(chip: Chip) -> Kernel:
    """Without the banks, which takes a thousandth of the time."""
    g = chip.gemm

    def cycles(m: int, n: int, k: int, adds: bool) -> float:
        split = m == 1 and chip.levers.split_n
        rows = -(-m // chip.geometry.cores)
        blocks = -(-n // (UNROLL * (chip.geometry.cores if split else 1)))
        steps = -(-k // chip.fpu.lanes) * chip.issue
        is_odd = steps * BANK_BYTES % (2 * chip.geometry.dma_bytes) == chip.geometry.dma_bytes
        lost = _ROUGHLY_ODD if is_odd else _ROUGHLY
        block = UNROLL * steps * lost + g.before + g.after + (g.accumulate if adds else 0)
        return g.call + rows * (blocks * block + g.row)

    return cycles


def _clusters(chip: Chip, product: Product, tile: Tile) -> int:
    if product.summed > 1:
        return product.summed
    tiles = product.count * -(-product.m // tile.m) * -(-product.n // tile.n)
    return min(chip.geometry.clusters, tiles)


def _cycles(chip: Chip, product: Product, tile: Tile, kernel: Kernel) -> float:
    clusters = _clusters(chip, product, tile)
    groups = clusters // product.summed  # of clusters that compute a tile together
    line = Pipeline(chip.levers.double_buffer, chip.streams.barrier, chip.dma.dma_disturbs)
    tiles, dealt = [], 0
    kinds = _kinds(product, tile)
    inner = min(tile.k, product.k)
    kinds.sort(key=lambda kind: (-kernel(kind[0], kind[1], inner, False), kind))
    for m, n, count in kinds:
        mine = -(-(dealt + count) // groups) - -(-dealt // groups)
        dealt += count
        tiles.append(pipelined(chip, product, (m, n, tile.k), clusters, kernel, mine))
    return line.cycles(tiles)


def _kinds(product: Product, tile: Tile) -> list[tuple[int, int, int]]:
    """Rows, columns and number of equal tiles."""
    rows = cut(product.m, tile.m)
    columns = cut(product.n, tile.n)
    return [(m, n, product.count * a * b) for m, a in rows for n, b in columns]


def cut(whole: int, part: int) -> list[tuple[int, int]]:
    """Sizes and their numbers: full parts, and what is left over."""
    full, rest = divmod(whole, part)
    return [(part, full)] * bool(full) + [(rest, 1)] * bool(rest)


def pipelined(
    chip: Chip,
    product: Product,
    sizes: tuple[int, int, int],
    clusters: int,
    kernel: Kernel,
    count: int,
) -> pipeline.Tile:
    """`count` tiles of the product, of m rows and n columns, by k at a time."""
    m, n, k = sizes
    number = chip.number_bytes
    steps = -(-product.k // k)
    rest = product.k - (steps - 1) * k
    followed = reduction(chip, m * n, product.summed)
    followed += sum(_follow(chip, kind, m * n) for kind in product.follow)
    added = product.follow.count("add")

    def load(inner: int, *, last: bool) -> Fetch:
        left = () if product.held else ((inner * number, m),)
        operands = fetch(chip, (*left, (inner * number, n)), clusters)
        if not (last and added):
            return operands
        return operands + fetch(chip, ((n * number, m),) * added, clusters)

    def step(inner: int, *, adds: bool, last: bool) -> Step:
        work = kernel(m, n, inner, adds) + (followed if last else 0)
        return Step(load(inner, last=last), work)

    several = steps > 1
    return pipeline.Tile(
        count=count,
        first=step(k if several else product.k, adds=False, last=not several),
        middle=step(k, adds=True, last=False) if steps > 2 else None,
        repeats=max(0, steps - 2),
        last=step(rest, adds=True, last=True) if several else None,
        store=stored(chip, n * number, m, clusters // product.summed),
    )


def _follow(chip: Chip, kind: str, elements: int) -> int:
    return gelu(chip, elements) if kind == "gelu" else axpy(chip, elements)


def fetch(chip: Chip, parts: tuple[tuple[int, int], ...], clusters: int) -> Fetch:
    """Queued two-dimensional transfers of (bytes of a row, rows)."""
    d = chip.dma
    cycles = sum(rows_2d(chip, row, rows, "read", clusters) for row, rows in parts)
    held = sum(rows * beats(chip, row) for row, rows in parts)
    return Fetch(d.dma_read_2d + d.dma_issue + cycles, held)


def stored(chip: Chip, row_bytes: int, rows: int, clusters: int) -> Fetch:
    cycles = rows_2d(chip, row_bytes, rows, "write", clusters)
    return Fetch(chip.dma.dma_write_2d + cycles, rows * beats(chip, row_bytes))


def _dma_bytes(chip: Chip, product: Product, tile: Tile) -> int:
    total = 0
    for m, n, count in _kinds(product, tile):
        fetched = (n if product.held else m + n) * product.k * product.summed
        numbers = fetched + m * n * (1 + product.follow.count("add"))
        total += count * numbers * chip.number_bytes
    return total

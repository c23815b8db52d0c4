"""Kernels one after the other on the same rows, which stay in the scratchpads of their clusters.

    cluster 0   | fetch rows | norm | W tile: k0 k1 | W tile: k0 k1 | ... | softmax | store rows |
    cluster 1   | fetch rows | norm | ...               each with rows of its own, and all columns

Each cluster takes as many of its rows as have room through all kernels, then the next ones. What a
kernel computes for the next one is not fetched, and is stored only where others read it as well;
but each cluster fetches all of a weight, once for each time that it begins. (A product by itself
deals tiles of C out to clusters, product.py.)

    rows  = min over kernels (room - weights) / (reads + waits for later kernels + computed
            [+ computed of what leaves, with double buffering]), as many for each core; with double
            buffering, what is fetched early has room, too: the kernel's next weights, or the first
            ones and the rows that the next kernel fetches (behind the last comes the first)
    T     = sum over ceil(mine / rows) times, over kernels: fetch + work + store, as in pipeline.py,
            without the fetch of all kernels but the first, and the store of all but the last and
            those that others read
    bytes = rows (reads of the first + computed by the last + what others read + second operands)
            + times begun, over all clusters, * weights

Who holds what agrees by that: all kernels of a chain deal rows out in the same way. Where not even
a row has room through all of them, and wherever that is faster, rows go by way of the HBM
(costs.py cuts chains where that is best).

Source: none [guess]; the library stores what every kernel computes [script].
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from stagecut.backends.manycore import tiling
from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.pipeline import NOTHING, Pipeline, Step, Tile
from stagecut.backends.manycore.product import (
    Kernel,
    Product,
    cut,
    fetch,
    multiplying,
    pipelined,
    roughly,
    stored,
)
from stagecut.backends.manycore.rowwise import KERNELS, evenly
from stagecut.backends.manycore.work import Chain, Link, Rows

#: By how much found tiles of a weight are longer than the library's.
_LONGER = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows at a time on a cluster, cycles, clusters in use, and bytes to and from the HBM."""

    at_once: int
    cycles: float
    clusters: int
    dma_bytes: int


@dataclass(frozen=True, slots=True)
class _Way:
    """`rows` at a time on each of `clusters`, and tiles of weights of `n` columns by `k`."""

    clusters: int
    rows: int
    n: int
    k: int


@lru_cache(maxsize=512)
def kept(chip: Chip, chain: Chain) -> Kept | None:
    """With double buffering only where that is faster; None where not even a row has room."""
    found = [_kept(one, chain) for one in chip.bufferings]
    present = [each for each in found if each is not None]
    return min(present, key=lambda each: each.cycles, default=None)


def _kept(chip: Chip, chain: Chain) -> Kept | None:
    ways = list(_ways(chip, chain))
    if not ways:
        return None
    way = tiling.best(
        ways,
        lambda each: _cycles(chip, chain, each, roughly(chip)),
        lambda each: _cycles(chip, chain, each, multiplying(chip)),
    )
    cycles = _cycles(chip, chain, way, multiplying(chip))
    return Kept(way.rows, cycles, way.clusters, _dma_bytes(chip, chain, way))


def _ways(chip: Chip, chain: Chain) -> Iterator[_Way]:
    """Those that have room; unless tiles are found, that with the library's tile of a weight."""
    clusters = min(chip.geometry.clusters, chain.links[0].rows)
    mine = -(-chain.links[0].rows // clusters)
    t = chip.tiles
    for longer in _LONGER if chip.levers.find_tiles else (1,):
        k = longer * t.tile_inner_bytes // chip.number_bytes
        rows = evenly(chip, _room(chip, chain, t.tile_columns, k), mine)
        if rows > 0:
            yield _Way(clusters, rows, t.tile_columns, k)


def _room(chip: Chip, chain: Chain, n: int, k: int) -> int:
    """So many rows have room through all kernels. With double buffering, what leaves as it is
    computed is there twice, and what is fetched next is there early."""
    twice = 2 if chip.levers.double_buffer else 1
    numbers = chip.geometry.usable_bytes // chip.number_bytes
    rooms = []
    for at, link in enumerate(chain.links):
        weights, written, stays = 0, link.columns, chain.last_reader(at) > at
        if isinstance(link, Product):
            weights = min(n, link.n) * min(k, link.k)
            written = link.n if stays else min(n, link.n)
        each = link.reads + _waiting(chain, at) + (written if stays else twice * written)
        early = [(0, 0)]
        if chip.levers.double_buffer:  # its own next weights, or what comes after it
            early = [(weights, 0), _fetched_first(chain, (at + 1) % len(chain.links), n, k)]
        rooms += [(numbers - weights - more) // (each + reads) for more, reads in early]
    return min(rooms)


def _fetched_first(chain: Chain, at: int, n: int, k: int) -> tuple[int, int]:
    """Numbers that kernel `at` fetches in its first step: of weights, and of each row."""
    link, is_held = chain.links[at], chain.source(at) >= 0
    if isinstance(link, Rows):
        return 0, link.reads - is_held * _of_one(link)
    return (min(n, link.n) * min(k, link.k), 0) if is_held else (0, link.reads)


def _waiting(chain: Chain, at: int) -> int:
    """Numbers of a row that stay while kernel `at` computes, and that it does not read."""
    stay = (one for one in range(at) if chain.last_reader(one) >= at and one != chain.source(at))
    return sum(chain.links[one].columns for one in stay)


def _cycles(chip: Chip, chain: Chain, way: _Way, kernel: Kernel) -> float:
    """Of the busiest cluster."""
    line = Pipeline(chip.levers.double_buffer, chip.streams.barrier, chip.dma.dma_disturbs)
    mine = -(-chain.links[0].rows // way.clusters)
    return line.cycles(
        [
            tile
            for rows, count in cut(mine, way.rows)
            for tile in [*_tiles(chip, chain, replace(way, rows=rows), kernel)] * count
        ]
    )


def _tiles(chip: Chip, chain: Chain, way: _Way, kernel: Kernel) -> Iterator[Tile]:
    """Of one time through all kernels."""
    stored = {*chain.stored, len(chain.links) - 1}
    for at, link in enumerate(chain.links):
        if isinstance(link, Rows):
            tiles = iter([_passed(chip, link, way, is_held=chain.source(at) >= 0)])
        else:
            tiles = _multiplied(chip, link, way, kernel, is_held=chain.source(at) >= 0)
        for tile in tiles:
            yield tile if at in stored else replace(tile, store=NOTHING)


def _passed(chip: Chip, link: Rows, way: _Way, *, is_held: bool) -> Tile:
    row_bytes = link.columns * chip.number_bytes
    fetched = link.operands - is_held
    load = fetch(chip, ((row_bytes, way.rows),) * fetched, way.clusters) if fetched else NOTHING
    work = KERNELS[link.kind](chip, way.rows, link.columns)
    return Tile(1, Step(load, work), stored(chip, row_bytes, way.rows, way.clusters))


def _multiplied(
    chip: Chip, link: Product, way: _Way, kernel: Kernel, *, is_held: bool
) -> Iterator[Tile]:
    if not is_held:
        rows = fetch(chip, ((link.k * chip.number_bytes, way.rows),), way.clusters)
        yield Tile(1, Step(rows, 0.0), NOTHING)
    held, k = replace(link, held=True), min(way.k, link.k)
    for n, count in cut(link.n, way.n):
        yield pipelined(chip, held, (way.rows, n, k), way.clusters, kernel, count)


def _dma_bytes(chip: Chip, chain: Chain, way: _Way) -> int:
    links, rows = chain.links, chain.links[0].rows
    numbers = rows * (links[-1].columns + sum(links[at].columns for at in chain.stored))
    few, more = divmod(rows, way.clusters)
    begun = (way.clusters - more) * -(-few // way.rows) + more * -(-(few + 1) // way.rows)
    for at, link in enumerate(links):
        is_held = chain.source(at) >= 0
        numbers += rows * (link.reads - (is_held and _of_one(link)))
        if isinstance(link, Product):
            numbers += begun * link.n * link.k + link.follow.count("add") * rows * link.n
    return numbers * chip.number_bytes


def _of_one(link: Link) -> int:
    """Numbers of a row of one operand."""
    return link.k if isinstance(link, Product) else link.columns

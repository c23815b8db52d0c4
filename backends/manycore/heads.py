"""Attention over all clusters: a head on a cluster, head after head.

    cluster 0   | head 0 | head 16 |        tiles as the library has them, halved until they fit,
    cluster 1   | head 1 | head 17 |        or found

Source: [script] one head on one cluster, eight ports for all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from stagecut.backends.manycore import tiling
from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.kernels.attention import Head, Tile, attention


@dataclass(frozen=True, slots=True)
class Heads:
    """`count` heads (times the batch) with the tile, cycles, clusters in use and bytes moved."""

    tile: Tile
    cycles: float
    clusters: int
    dma_bytes: int


@lru_cache(maxsize=512)
def heads(chip: Chip, head: Head, count: int) -> Heads | None:
    """With double buffering only where that is faster; None where not even the smallest tile has
    room."""
    found = [_heads(one, head, count) for one in chip.bufferings]
    present = [each for each in found if each is not None]
    return min(present, key=lambda each: each.cycles, default=None)


def _heads(chip: Chip, head: Head, count: int) -> Heads | None:
    choices = list(_tiles(chip, head))
    if not choices:
        return None
    clusters = min(chip.geometry.clusters, count)
    rounds = -(-count // chip.geometry.clusters)
    tile = choices[0]
    if chip.levers.find_tiles and chip.optimised:

        def whole(choice: Tile) -> float:
            return attention(chip, head, choice, clusters)

        tile = tiling.best(choices, whole, whole)
    return Heads(
        tile,
        rounds * attention(chip, head, tile, clusters),
        clusters,
        count * _dma_bytes(chip, head, tile),
    )


def _tiles(chip: Chip, head: Head) -> Iterator[Tile]:
    """Those that fit, the library's first."""
    rows = min(head.queries, chip.tiles.attention_rows)
    columns = min(head.keys, chip.tiles.attention_columns)
    while columns:
        tile = Tile(rows, columns)
        if tile.size_bytes(chip, head.d) <= chip.geometry.usable_bytes:
            yield tile
            if not chip.levers.find_tiles:
                return
        columns //= 2
    if chip.levers.find_tiles:
        yield from _further(chip, head)


def _further(chip: Chip, head: Head) -> Iterator[Tile]:
    for rows in (8, 32, 64):
        for columns in (16, 32, 64, 128):
            tile = Tile(min(head.queries, rows), min(head.keys, columns))
            if tile.size_bytes(chip, head.d) <= chip.geometry.usable_bytes:
                yield tile


def _dma_bytes(chip: Chip, head: Head, tile: Tile) -> int:
    """Q and O once; K and V for each tile of rows, as far as they are seen."""
    numbers = 2 * head.queries * head.d
    for start in range(0, head.queries, tile.rows):
        stop = min(head.queries, start + tile.rows)
        seen = head.keys - head.queries + stop if head.causal else head.keys
        numbers += 2 * max(1, seen) * head.d
    return numbers * chip.number_bytes

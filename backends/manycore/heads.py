"""Attention over all clusters: a head on a cluster, head after head.

    cluster 0   | head 0 | head 16 |        tiles as the library has them, halved until they fit
    cluster 1   | head 1 | head 17 |        or found

Source: [script] one head on one cluster, eight ports for all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from stagecut.backends.manycore import tiling
from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.kernels.attention import Head, Tile, attention, whole_rows

#: What else is tried where tiles are found.
_FURTHER_ROWS, _FURTHER_COLUMNS = (8, 16, 32, 64), (8, 16, 32, 64, 128)


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
    """Those that fit, the library's first: its columns are halved until they fit, then its rows."""
    rows, columns = chip.tiles.attention_rows, chip.tiles.attention_columns
    fitting = (
        tile
        for down in _halved(rows)
        for across in _halved(columns)
        if (tile := _tile(chip, head, down, across)) is not None
    )
    first = next(fitting, None)
    if first is None:
        return
    yield first
    if chip.levers.find_tiles:
        for down, across in product(_FURTHER_ROWS, _FURTHER_COLUMNS):
            tile = _tile(chip, head, down, across)
            if tile is not None:
                yield tile


def _halved(most: int) -> Iterator[int]:
    while most:
        yield most
        most //= 2


def _tile(chip: Chip, head: Head, rows: int, columns: int) -> Tile | None:
    """No larger than the head, whose rows are filled up; None where it does not fit."""
    most = 1 if head.queries == 1 else whole_rows(chip, head.queries)
    tile = Tile(min(most, rows), min(head.keys, columns))
    needed = tile.size_bytes(chip, head.d) + head.kept_bytes(chip)
    return tile if needed <= chip.geometry.usable_bytes else None


def _dma_bytes(chip: Chip, head: Head, tile: Tile) -> int:
    """Q and O once, O only where it is stored; K and V for each tile of rows, as far as they are
    seen."""
    numbers = (1 if head.kept else 2) * head.queries * head.d
    for start in range(0, head.queries, tile.rows):
        stop = min(head.queries, start + tile.rows)
        seen = head.keys - head.queries + stop if head.causal else head.keys
        numbers += 2 * max(1, seen) * head.d
    return numbers * chip.number_bytes

"""Transfers by the DMA core, until the core that waits for them has seen that they are done.

    1-D  | start |bbbbbbbb...bbbb|page|bbbb...bbbb|   .  |     a beat a cycle; a read pays at each
         0     start                             done  seen    page; who waits looks every poll
    2-D  | start |row bb..b|+|row bb..b|+|row ...  |  .  |     each row is a burst of its own

    1-D  start + beats slowdown [+ page (pages - 1), reading]     seen at 7, 22, 37 ... (poll 15)
    2-D  start + rows (beats slowdown + 1 or 2), reading          seen at 4, 9, 14 ... (poll 5)
         start + rows max(beats slowdown, 2.26 + 0.555 beats), writing

Sources: [rtl] rows of the table with `dma` in their name; starts, pages and polls are a fit to
them. Queued transfers pay the start once. Where other clusters transfer, too, beats take longer
(`Geometry.slowdown`) [script], which no reference covers.
"""

import math
from typing import Literal, TypeAlias

from stagecut.backends.manycore.chip import Chip

Direction: TypeAlias = Literal["read", "write", "local"]

_PAGE_BYTES = 4096

#: A row of so many beats leaves without a gap of its own.
_SHORT_BEATS = 2

#: When, modulo the poll, the end is seen: one-dimensional between memories, in one, and 2-D.
_SEEN, _SEEN_LOCAL, _SEEN_2D = 7, 12, 4


def done_1d(
    chip: Chip, size_bytes: int, direction: Direction = "read", clusters: int = 1, count: int = 1
) -> float:
    """When `count` queued transfers are done."""
    d = chip.dma
    total = count * _beats(chip, size_bytes) * chip.geometry.slowdown(clusters)
    if direction == "local":
        return d.dma_local + count * _beats(chip, size_bytes)
    if direction == "write":
        return d.dma_write + total
    pages = -(-count * size_bytes // _PAGE_BYTES)
    return d.dma_read + total + d.dma_read_page * (pages - 1)


def seen_1d(
    chip: Chip, size_bytes: int, direction: Direction = "read", count: int = 1, misaligned: int = 0
) -> int:
    """When the core that waits sees it; where its first look is not known, half a poll later."""
    done = done_1d(chip, size_bytes + misaligned, direction, count=count)
    poll = chip.dma.dma_poll
    if count > 1 or misaligned:
        return round(done + poll / 2)
    first = _SEEN_LOCAL if direction == "local" else _SEEN
    return _seen(done, poll, first)


def done_2d(
    chip: Chip, row_bytes: int, rows: int, direction: Direction = "read", clusters: int = 1
) -> float:
    """When `rows` of `row_bytes`, which lie apart in the memory, are there."""
    d = chip.dma
    start = d.dma_write_2d if direction == "write" else d.dma_read_2d
    return start + rows_2d(chip, row_bytes, rows, direction, clusters)


def rows_2d(
    chip: Chip, row_bytes: int, rows: int, direction: Direction = "read", clusters: int = 1
) -> float:
    """The same without the start, which a queue of transfers pays once."""
    d, beats = chip.dma, _beats(chip, row_bytes)
    taken = beats * chip.geometry.slowdown(clusters)
    if direction == "write":
        return rows * max(taken, d.dma_write_row + d.dma_write_beat * beats)
    return rows * (taken + (d.dma_short_row if beats <= _SHORT_BEATS else d.dma_row))


def seen_2d(chip: Chip, row_bytes: int, rows: int, direction: Direction = "read") -> int:
    return _seen(done_2d(chip, row_bytes, rows, direction), chip.dma.dma_poll_2d, _SEEN_2D)


def beats(chip: Chip, size_bytes: int) -> int:
    """Cycles for which a transfer holds a quarter of the banks."""
    return _beats(chip, size_bytes)


def _beats(chip: Chip, size_bytes: int) -> int:
    return -(-size_bytes // chip.geometry.dma_bytes)


def _seen(done: float, poll: int, first: int) -> int:
    return first + poll * math.ceil((done - first) / poll)

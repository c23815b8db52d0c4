"""Kernels on rows over all clusters: rows dealt out, as many at a time as the scratchpad holds.

    cluster 0   | fetch rows | compute | store | fetch rows | compute | store | ...

Sources: [script] nothing overlaps, unless `double_buffer` is on (pipeline.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

from stagecut.backends.manycore import pipeline
from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.kernels.dma import beats, rows_2d
from stagecut.backends.manycore.pipeline import Fetch, Pipeline, Step
from stagecut.backends.manycore.product import stored


@dataclass(frozen=True, slots=True)
class Rowwise:
    """`rows` of `columns` numbers, from `operands` of that size."""

    rows: int
    columns: int
    operands: int = 1


@dataclass(frozen=True, slots=True)
class Dealt:
    """Rows at a time on a cluster, cycles, clusters in use, and bytes to and from the HBM."""

    at_once: int
    cycles: float
    clusters: int
    dma_bytes: int


def fits(chip: Chip, work: Rowwise) -> bool:
    """Whether a row has room in a scratchpad."""
    return _room(chip, work) > 0


def dealt(chip: Chip, work: Rowwise, kernel: Callable[[int], float]) -> Dealt:
    """`kernel` takes the rows that a cluster computes at once, and gives cycles; a row `fits`."""
    clusters = min(chip.geometry.clusters, work.rows)
    mine = -(-work.rows // clusters)
    at_once = min(mine, _room(chip, work))
    full, rest = divmod(mine, at_once)
    tiles = [_tile(chip, work, at_once, full, clusters, kernel)]
    if rest:
        tiles.append(_tile(chip, work, rest, 1, clusters, kernel))
    line = Pipeline(chip.levers.double_buffer, chip.streams.barrier, chip.dma.dma_disturbs)
    moved = (work.operands + 1) * work.rows * work.columns * chip.number_bytes
    return Dealt(at_once, line.cycles(tiles), clusters, moved)


def _room(chip: Chip, work: Rowwise) -> int:
    """Rows of the operands and of the result, twice with double buffering."""
    row_bytes = (work.operands + 1) * work.columns * chip.number_bytes
    return chip.geometry.usable_bytes // (row_bytes * (2 if chip.levers.double_buffer else 1))


def _tile(
    chip: Chip,
    work: Rowwise,
    rows: int,
    count: int,
    clusters: int,
    kernel: Callable[[int], float],
) -> pipeline.Tile:
    row_bytes = work.columns * chip.number_bytes
    d = chip.dma
    cycles = work.operands * rows_2d(chip, row_bytes, rows, "read", clusters)
    held = work.operands * rows * beats(chip, row_bytes)
    load = Fetch(d.dma_read_2d + d.dma_issue + cycles, held)
    return pipeline.Tile(count, Step(load, kernel(rows)), stored(chip, row_bytes, rows, clusters))

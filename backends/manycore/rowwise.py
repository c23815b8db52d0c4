"""Kernels on rows over all clusters: rows dealt out, as many at a time as the scratchpad holds.

    cluster 0   | fetch rows | compute | store | fetch rows | compute | store | ...

Sources: [script] nothing overlaps, unless `double_buffer` is on (pipeline.py), there is room for
rows twice, and that is faster.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stagecut.backends.manycore import pipeline
from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.kernels.elementwise import axpy
from stagecut.backends.manycore.kernels.gelu import gelu
from stagecut.backends.manycore.kernels.layernorm import layernorm
from stagecut.backends.manycore.kernels.softmax import softmax
from stagecut.backends.manycore.pipeline import Pipeline, Step
from stagecut.backends.manycore.product import fetch, stored

#: By kind of pass: the cycles of a cluster for so many rows of so many numbers.
KERNELS: Mapping[str, Callable[[Chip, int, int], float]] = {
    "layernorm": layernorm,
    "softmax": softmax,
    "gelu": lambda chip, rows, columns: gelu(chip, rows * columns),
    "add": lambda chip, rows, columns: axpy(chip, rows * columns),
    "scale": lambda chip, rows, columns: axpy(chip, rows * columns),
}


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
    """Whether a row has room in a scratchpad, once."""
    return _room(chip.bufferings[-1], work) > 0


def dealt(chip: Chip, work: Rowwise, kernel: Callable[[int], float]) -> Dealt:
    """`kernel` takes the rows that a cluster computes at once, and gives cycles; a row `fits`."""
    able = [one for one in chip.bufferings if _room(one, work)]
    return min((_dealt(one, work, kernel) for one in able), key=lambda each: each.cycles)


def _dealt(chip: Chip, work: Rowwise, kernel: Callable[[int], float]) -> Dealt:
    clusters = min(chip.geometry.clusters, work.rows)
    mine = -(-work.rows // clusters)
    at_once = evenly(chip, _room(chip, work), mine)
    full, rest = divmod(mine, at_once)
    tiles = [_tile(chip, work, at_once, full, clusters, kernel)]
    if rest:
        tiles.append(_tile(chip, work, rest, 1, clusters, kernel))
    line = Pipeline(chip.levers.double_buffer, chip.streams.barrier, chip.dma.dma_disturbs)
    moved = (work.operands + 1) * work.rows * work.columns * chip.number_bytes
    return Dealt(at_once, line.cycles(tiles), clusters, moved)


def evenly(chip: Chip, room: int, mine: int) -> int:
    """As many rows as have room, the same number for each core where not all have."""
    if room >= mine:
        return mine
    return room - room % chip.geometry.cores if room > chip.geometry.cores else room


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
    load = fetch(chip, ((row_bytes, rows),) * work.operands, clusters)
    return pipeline.Tile(count, Step(load, kernel(rows)), stored(chip, row_bytes, rows, clusters))

"""Concat fused into the output projection: K is split by head, partial sums meet in a tree.

    cluster 0   | P0 Wo[0] |b| + from 1 |b| + from 2 |     each multiplies its heads by their rows
    cluster 1   | P1 Wo[1] |b|  sent    |                  of the weight; then half of the clusters
    cluster 2   | P2 Wo[2] |b| + from 3 |b|  sent    |     fetch the sums of the other half, and
    cluster 3   | P3 Wo[3] |b|  sent    |                  add them up

    T = products + ceil(log2 clusters) (sums fetched + barrier + sums added)

Sources: the equation [script]; no reference covers several clusters.
"""

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.kernels.barrier import barrier
from stagecut.backends.manycore.kernels.dma import done_1d
from stagecut.backends.manycore.kernels.elementwise import axpy
from stagecut.backends.manycore.product import Product, tiled


def concat_linear(chip: Chip, rows: int, columns: int, d: int, heads: int) -> float:
    """Cycles of [rows, heads d] by [heads d, columns], where each head lies in its cluster."""
    clusters = min(heads, chip.geometry.clusters)
    each = Product(rows, columns, d * -(-heads // clusters), count=clusters)
    return tiled(chip, each).cycles + reduction(chip, rows * columns, clusters)


def reduction(chip: Chip, elements: int, clusters: int) -> float:
    """Cycles of adding up `elements` numbers of each of so many clusters."""
    levels = (clusters - 1).bit_length()
    fetched = done_1d(chip, elements * chip.number_bytes, "local")
    return levels * (fetched + barrier(chip) + axpy(chip, elements))

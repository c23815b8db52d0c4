"""Partial sums of several clusters, added up in a tree.

    cluster 0   |b| + from 1 |b| + from 2 |        half of the clusters fetch the sums of the other
    cluster 1   |b|  sent    |                     half from their scratchpads, and add them up
    cluster 2   |b| + from 3 |b|  sent    |
    cluster 3   |b|  sent    |

    T = ceil(log2 clusters) (sums fetched + barrier + sums added)

Source: the equation [script]; no reference covers several clusters.
"""

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.kernels.barrier import barrier
from stagecut.backends.manycore.kernels.dma import done_1d
from stagecut.backends.manycore.kernels.elementwise import axpy


def reduction(chip: Chip, elements: int, clusters: int) -> float:
    """Cycles of adding up `elements` numbers of each of so many clusters."""
    levels = (clusters - 1).bit_length()
    fetched = done_1d(chip, elements * chip.number_bytes, "local")
    return levels * (fetched + barrier(chip) + axpy(chip, elements))

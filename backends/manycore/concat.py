"""Concat fused into the output projection: K is split by head, and partial sums meet in a tree.

    cluster 0   | head 0 | P0 Wo[0] tile | sums | P0 Wo[0] tile | sums | ...      every cluster has
    cluster 1   | head 1 | P1 Wo[1] tile | sums | P1 Wo[1] tile | sums | ...      all tiles of C,
      ...                                                                         and its part of K

Where there is room, P, the result of a head, stays in the scratchpad of its cluster: it is neither
stored nor fetched. Not fused, P is put together in the HBM, and C is dealt out to the clusters.

Sources: [script]; no reference covers several clusters.
"""

from dataclasses import replace

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.heads import heads
from stagecut.backends.manycore.product import Product, tiled
from stagecut.backends.manycore.work import Attend


def joined(chip: Chip, attend: Attend, product: Product) -> tuple[Attend, Product] | None:
    """Both as they are when fused; None where K is not split, or not into equal parts."""
    each = -(-attend.count // chip.geometry.clusters)
    if attend.count == each or attend.count % each or product.m != attend.head.queries:
        return None
    part = replace(product, k=attend.head.d * each, summed=attend.count // each)
    kept = replace(attend, head=replace(attend.head, kept=each))
    held = replace(part, held=True)
    return (kept, held) if _has_room(chip, kept, held) else (attend, part)


def _has_room(chip: Chip, attend: Attend, product: Product) -> bool:
    if heads(chip, attend.head, attend.count) is None:
        return False
    held = attend.head.kept_bytes(chip)
    return held + tiled(chip, product).tile.size_bytes(chip) <= chip.geometry.usable_bytes

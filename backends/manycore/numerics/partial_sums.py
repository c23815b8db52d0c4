"""A product whose K is split over clusters: stored partial sums, added up in a tree (concat.py).

    cluster 0   P0 W[0] + P1 W[1]  + (P2 W[2] + P3 W[3])        a + is one addition of stored
    cluster 1   P1 W[1]                                         numbers, whose result is stored
    cluster 2   P2 W[2] + P3 W[3]
    cluster 3   P3 W[3]

Each sum halves the clusters that have one; where their number is odd, the last one waits.
"""

import math
from collections.abc import Sequence

import numpy as np

from stagecut.backends.manycore.numerics.formats import Format
from stagecut.backends.manycore.numerics.products import Multiply, Products, product_error
from stagecut.compiler.ir.device import Tensor


def split(products: Products, form: Format, matrix: Tensor, clusters: int) -> Multiply:
    """The product with `matrix` [inner, outer], each of `clusters` with an equal part of K, in
    order."""
    parts = [products.by(part) for part in np.split(matrix, clusters)]

    def multiply(rows: Tensor) -> Tensor:
        own = np.split(rows, clusters, axis=1)
        return added_up([by(part) for by, part in zip(parts, own, strict=True)], form)

    return multiply


def added_up(sums: Sequence[Tensor], form: Format) -> Tensor:
    """Stored numbers, each level of the tree stored."""
    while len(sums) > 1:
        pairs = zip(sums[::2], sums[1::2], strict=False)
        waiting = sums[-1:] if len(sums) % 2 else ()
        sums = [*(form.rounded(one + other) for one, other in pairs), *waiting]
    return sums[0]


def split_error(left: Tensor, right: Tensor, form: Format, clusters: int, *, exact: bool) -> Tensor:
    """A bound on the absolute error of a split product of stored numbers, against the exact one.

    That of each part (`product_error`), and a rounding of half a unit for each level of the tree,
    of what the parts are at the most. Sums of stored numbers that are too small to be normal are
    exact. Holds where no number exceeds the largest finite one of its format.
    """
    parts = [*zip(np.split(left, clusters, axis=1), np.split(right, clusters), strict=True)]
    errors = [product_error(a, b, form, exact=exact) for a, b in parts]
    sizes = [np.abs(a @ b) + error for (a, b), error in zip(parts, errors, strict=True)]
    grown = (1 + form.unit) ** math.ceil(math.log2(clusters)) - 1
    result: Tensor = np.sum(errors, axis=0) + grown * np.sum(sizes, axis=0)
    return result

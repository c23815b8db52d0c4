"""Find what is alike, so that it can be handled by one array operation."""

from itertools import pairwise

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Bools, Ints


def alike(keys: Ints | Bools) -> list[Ints]:
    """The indices of equal columns of `keys` (k, n): each list ascending, sorted by key."""
    count = keys.shape[1]
    if (keys == keys[:, :1]).all():
        return [np.arange(count)] if count else []
    order = np.lexsort(keys[::-1])
    changed = np.any(keys[:, order[1:]] != keys[:, order[:-1]], axis=0)
    cuts = [0, *(np.flatnonzero(changed) + 1).tolist(), count]
    return [order[start:end] for start, end in pairwise(cuts)]

"""Find what is alike, so that it can be handled by one array operation."""

import numpy as np

from stagecut.passes.exact.factor_graph import Bools, Ints


def alike(keys: Ints | Bools) -> list[Ints]:
    """The indices of equal columns of `keys` (k, n): ascending, and sorted by their first key."""
    if not keys.shape[1]:
        return []
    order = np.lexsort(keys[::-1]) if len(keys) else np.arange(keys.shape[1])
    changed = np.any(keys[:, order[1:]] != keys[:, order[:-1]], axis=0)
    return np.split(order, np.flatnonzero(changed) + 1)

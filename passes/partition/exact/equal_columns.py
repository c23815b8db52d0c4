"""Group equal columns of an array, so that each group takes one array operation."""

from itertools import pairwise

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Bools, Ints

#: So few numbers are grouped sooner in Python than in numpy.
_FEW = 48


def group_equal_columns(keys: Ints | Bools) -> list[Ints]:
    """The indices of equal columns of `keys` (k, n): each list ascending, sorted by key."""
    count = keys.shape[1]
    if keys.size <= _FEW:
        found: dict[tuple[int | bool, ...], list[int]] = {}
        for index, column in enumerate(zip(*keys.tolist(), strict=True)):
            found.setdefault(column, []).append(index)
        return [np.array(found[column]) for column in sorted(found)]
    if (keys == keys[:, :1]).all():
        return [np.arange(count)]
    if len(keys) == 1:
        order = np.argsort(keys[0], kind="stable")
        changed = keys[0, order[1:]] != keys[0, order[:-1]]
    else:
        order = np.lexsort(keys[::-1])
        changed = np.any(keys[:, order[1:]] != keys[:, order[:-1]], axis=0)
    cuts = [0, *(np.flatnonzero(changed) + 1).tolist(), count]
    return [order[start:end] for start, end in pairwise(cuts)]


def distinct(keys: Ints) -> Ints:
    """The different numbers among `keys`, ascending; faster here than numpy's hashing `unique`."""
    if not len(keys):
        return keys
    ordered = np.sort(keys)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]

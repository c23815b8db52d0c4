"""A stable topological order.

comes after   0: -   1: 2   2: -   3: 0       order   0 2 1 3
"""

import heapq
from collections.abc import Sequence
from collections.abc import Set as AbstractSet


def stable_order(before: Sequence[AbstractSet[int]]) -> tuple[int, ...]:
    """The indices in an order in which each comes after those in `before` of it.

    Of those that may come next, the least index does. Indices on a cycle, and all that come after
    them, are left out (`cycle_among` finds one).
    """
    if all(not earlier or max(earlier) < index for index, earlier in enumerate(before)):
        return tuple(range(len(before)))
    after: list[list[int]] = [[] for _ in before]
    for index, earlier in enumerate(before):
        for other in earlier:
            after[other].append(index)
    waiting = [len(earlier) for earlier in before]
    ready = [index for index, count in enumerate(waiting) if not count]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for following in after[index]:
            waiting[following] -= 1
            if not waiting[following]:
                heapq.heappush(ready, following)
    return tuple(order)


def cycle_among(before: Sequence[AbstractSet[int]], stuck: AbstractSet[int]) -> tuple[int, ...]:
    """A cycle, its first index at both ends, among those that `stable_order` left out."""
    walk: list[int] = []
    index = min(stuck)
    while index not in walk:  # backwards, until the walk meets itself
        walk.append(index)
        index = min(before[index] & stuck)
    return (index, *reversed(walk[walk.index(index) :]))

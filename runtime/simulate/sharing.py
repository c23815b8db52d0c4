"""How fast segments flow that share bandwidth.

Each pool has a *wait*: how many times as long as alone its traffic takes. A pool that can give all
that is asked for has 1; of any other the wait is the least with which no more is taken than it has:

    sum over the segments of  bytes / took_s(waits)  <=  bytes_per_s

This is processor sharing at the memory: all who wait for it are slowed down alike, and who asks for
less also waits less, as it is there less often.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stagecut.compiler.ir.fluid import Pool, Segment

_Array: TypeAlias = npt.NDArray[np.float64]

#: Waits are found to that part of themselves, in so many rounds over all pools at the most, each
#: of so many steps.
_CLOSE = 1e-9
_MOST_ROUNDS, _MOST_STEPS = 200, 100
_FEW_ROUNDS = 4

#: No segment that moves anything takes less, and none is divided by nought.
_TINY = 1e-300


class Sharing:
    """At most `slots` segments at a time, each in a slot of its own."""

    def __init__(self, pools: Sequence[Pool], slots: int) -> None:
        self._most = np.array([pool.bytes_per_s for pool in pools])
        self._running = np.zeros(slots, bool)
        self._fixed_s = np.zeros(slots)
        self._compute_s = np.zeros(slots)
        self._in_turn = np.ones(slots)
        self._alone_s = np.zeros((len(pools), slots))
        self._bytes = np.zeros((len(pools), slots))
        self.waits = np.ones(len(pools))

    def begin(self, slot: int, segment: Segment) -> None:
        self.end(slot)
        self._running[slot] = True
        self._fixed_s[slot] = segment.fixed_s
        self._compute_s[slot] = segment.compute_s
        self._in_turn[slot] = 1 - segment.overlap
        for each in segment.traffic:
            self._alone_s[each.pool, slot] += each.alone_s
            self._bytes[each.pool, slot] += each.size_bytes

    def end(self, slot: int) -> None:
        self._running[slot] = False
        self._fixed_s[slot] = self._compute_s[slot] = 0
        self._alone_s[:, slot] = self._bytes[:, slot] = 0

    def settle(self) -> _Array:
        """What each segment takes from its beginning to its end as things are now; nought where
        none runs."""
        took_s = self._took_s(self._alone_s.sum(axis=0))
        asked = self._bytes @ np.where(
            self._running & (took_s > 0), 1 / np.maximum(took_s, _TINY), 0
        )
        if (asked <= self._most).all():
            self.waits[:] = 1
            return took_s
        for done in range(_MOST_ROUNDS):
            before = self.waits.copy()
            for pool in range(len(self._most)):
                self.waits[pool] = self._wait(pool)
            if (np.abs(self.waits - before) <= _CLOSE * before).all():
                break
            if done >= _FEW_ROUNDS:  # pools may take turns in waiting for each other
                self.waits = (self.waits + before) / 2
        return self._took_s(self.waits @ self._alone_s)

    def _took_s(self, memory_s: _Array) -> _Array:
        longer_s = np.maximum(self._compute_s, memory_s)
        shorter_s = np.minimum(self._compute_s, memory_s)
        took_s: _Array = self._fixed_s + longer_s + self._in_turn * shorter_s
        return took_s

    def _wait(self, pool: int) -> float:
        """By Newton's method, kept between what is too little and what is enough."""
        using = self._bytes[pool] > 0
        alone_s, moved = self._alone_s[pool][using], self._bytes[pool][using]
        enough = float((moved / alone_s).sum()) / self._most[pool]  # if they only moved data
        if enough <= 1:
            return 1.0
        others_s = (self.waits @ self._alone_s)[using] - self.waits[pool] * alone_s
        fixed_s, compute_s = self._fixed_s[using], self._compute_s[using]
        in_turn = self._in_turn[using]
        too_little, wait = 1.0, 1.0
        for _ in range(_MOST_STEPS):
            memory_s = others_s + wait * alone_s
            longer_s, shorter_s = np.maximum(compute_s, memory_s), np.minimum(compute_s, memory_s)
            took_s = fixed_s + longer_s + in_turn * shorter_s
            excess = float((moved / took_s).sum()) - self._most[pool]
            if excess <= 0:
                enough = wait
                if wait == 1.0:
                    return 1.0
            else:
                too_little = wait
            if enough - too_little <= _CLOSE * enough:
                break
            slopes = np.where(memory_s > compute_s, 1.0, in_turn) * alone_s
            slope = float((moved / took_s**2 * slopes).sum())
            step = wait + excess / slope if slope > 0 else enough
            inside = too_little < step < enough
            wait = step if inside else (too_little + enough) / 2
            if inside and abs(excess) <= _CLOSE * self._most[pool]:
                break
        return wait

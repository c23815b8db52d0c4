"""What calls with more inputs take at the least, by what calls with fewer took.

    inputs in a call       1     2     4        8
    a    ms a call         5     8    14    -> 26     3.25 an input
    b                      4     8    16    -> 32     4: more inputs bring nothing

A call of n inputs takes an overhead and n times as much as one input does without it: two sizes say
what larger ones take. A device that would be far behind the best with the largest size is given up,
and so is one that two sizes in a row brought nothing; one that is slow with few inputs is not.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from stagecut.passes.gate.stream_gate import NEAR

#: More inputs in a call have to be faster by this part to be worth anything.
WORTH = 0.01

#: After so many sizes in a row that bring nothing, none larger is tried: one turn may mislead.
_MOST_MISSES = 2


@dataclass(frozen=True, slots=True)
class CallTimes:
    """`seen_s` has the least that the seconds from one call to the next can be, of each device by
    the number of inputs in a call, growing; up to `most` inputs may be in one."""

    most: int
    seen_s: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    def with_calls(self, size: int, period_s: Mapping[str, float]) -> "CallTimes":
        """And with calls of `size` inputs, more than before."""
        seen = {device: dict(sizes) for device, sizes in self.seen_s.items()}
        for device, call_s in period_s.items():
            if math.isfinite(call_s):
                seen.setdefault(device, {})[size] = call_s
        return CallTimes(self.most, seen)

    def known_s(self, best_s: float) -> Mapping[str, float]:
        """The least from one call to the next with the most inputs that were tried, the fastest
        first; infinite for devices that cannot get near the `best_s` of an input any more."""
        latest = {device: [*sizes.values()][-1] for device, sizes in self.seen_s.items()}
        known = {
            device: call_s if self._may_win(device, best_s) else math.inf
            for device, call_s in latest.items()
        }
        return dict(sorted(known.items(), key=lambda pair: pair[1]))

    def _may_win(self, device: str, best_s: float) -> bool:
        return self._misses(device) < _MOST_MISSES and self.least_s(device) <= NEAR * best_s

    def least_s(self, device: str) -> float:
        """What an input takes in the largest calls, at the least; no call takes less time than one
        of fewer inputs."""
        sizes = [*self.seen_s[device].items()]
        most = 1 << (self.most.bit_length() - 1)
        last, last_s = sizes[-1]
        before, before_s = sizes[-2] if len(sizes) > 1 else (0, last_s)
        slope_s = max(0.0, (last_s - before_s) / (last - before))
        return (last_s + slope_s * max(0, most - last)) / max(most, last)

    def _misses(self, device: str) -> int:
        """How many of the last sizes were no better than the best before them."""
        misses, best_s = 0, math.inf
        for size, call_s in self.seen_s[device].items():
            if call_s / size < (1 - WORTH) * best_s:
                misses, best_s = 0, call_s / size
            else:
                misses += 1
        return misses

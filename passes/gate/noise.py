"""Statistics of a few dozen timings: the median's confidence interval, and signs of noise.

Times of programs are skewed and have outliers, so nothing here assumes a distribution.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

#: An interval misses the true median in one case out of twenty.
_MISSED = 0.05

#: A middle half that is wider than this part of the median is called noisy.
_NOISY = 0.1

#: Two groups are far apart if the gap between them is this part of the median.
_APART = 0.05


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true median lies, with 95 % confidence."""

    low: float
    high: float


def median_interval(samples: Sequence[float]) -> Interval:
    """From the k-th smallest to the k-th largest sample, for the largest k that gives 95 %.

    Each sample is as likely below the true median as above it, so the number below is binomial:
    David and Nagaraja, Order Statistics, section 7.1. Five samples or fewer give their whole range,
    which is not quite enough for 95 %.
    """
    ordered = sorted(samples)
    k = max(0, _beyond(len(ordered)) - 1)
    return Interval(ordered[k], ordered[-1 - k])


def _beyond(count: int) -> int:
    """As many samples may lie beyond either end: the binomial distribution's quantile.

    Summed up here, as the package that has it takes longer to load than some compiles.
    """
    ways = accumulate(math.comb(count, below) for below in range(count + 1))
    return next(k for k, sum_ in enumerate(ways) if sum_ / 2**count >= _MISSED / 2)


def noise(samples: Sequence[float]) -> str:
    """What is odd about the samples, for people; empty where they form one narrow group."""
    ordered = sorted(samples)
    if len(ordered) < 8:
        return ""
    median = statistics.median(ordered)
    groups = _two_groups(ordered, median)
    if groups:
        return groups
    low, _, high = statistics.quantiles(ordered, n=4)
    if high - low > _NOISY * median:
        return f"noisy: the middle half of the runs spans {(high - low) / median:.0%} of the median"
    return ""


def _two_groups(ordered: Sequence[float], median: float) -> str:
    """Two groups of a fifth of the samples or more, with a gap wider than either of them."""
    fifth = max(2, len(ordered) // 5)
    splits = range(fifth, len(ordered) - fifth + 1)
    at = max(splits, key=lambda index: ordered[index] - ordered[index - 1])
    gap = ordered[at] - ordered[at - 1]
    widths = (ordered[at - 1] - ordered[0], ordered[-1] - ordered[at])
    if gap <= _APART * median or gap <= max(widths):
        return ""
    share = at / len(ordered)
    return f"bimodal: {share:.0%} of the runs are faster than the others by {gap / median:.0%}"

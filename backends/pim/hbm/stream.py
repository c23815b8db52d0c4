"""What an HBM-PIM's host needs to read and write plain data, spread over all channels.

Reads of results are exact against the vendor's simulator; streams of plain data are a mean of 2 %
and at worst 14 % away from it.
"""

import math

from stagecut.backends.pim.hbm import refresh
from stagecut.backends.pim.hbm.intervals import Intervals


def read(i: Intervals, bursts: int) -> int:
    """Cycles, without refresh, to read `bursts` from each channel: open a row, then stream."""
    return i.read_then_read(i.settled) + i.timing.rl + i.data + bursts * _gap(i)


def write(i: Intervals, bursts: int) -> int:
    """Cycles, without refresh, to write `bursts` to each channel: open a row, then stream."""
    return i.timing.trp + i.timing.trcdwr + 1 + bursts * _gap(i)


def read_back(i: Intervals, bursts: int, *, start: int) -> int:
    """Cycles to read a kernel's sums, from `start` cycles after the kernel began."""
    cycles, stall = read(i, bursts), i.timing.trfc + i.timing.trp + i.timing.trcdrd
    return cycles + stall * refresh.met(i, cycles, stall, start=start)


def copy(i: Intervals, cycles: int) -> int:
    """Cycles of a stream of `cycles` with refresh, which opens rows again behind the stream.

    The 30 are fitted: of tRFC = 350, a stream loses about 320.
    """
    stall = max(0, i.timing.trfc - 30)
    return cycles + stall * refresh.met(i, cycles, stall)


def preload(bursts: int) -> int:
    """Cycles to write weights of `bursts` a channel, refresh included.

    The 2.8 cycles a burst are fitted: two on the bus, the rest for opening rows and for refresh.
    """
    return math.ceil(2.8 * bursts)


def _gap(i: Intervals) -> int:
    """Consecutive bursts go to different bank groups."""
    return max(i.timing.tccds, i.data)

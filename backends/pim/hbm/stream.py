"""Cycles in which the host reads and writes plain data, spread evenly over all channels.

Reads of partial sums are exact against the vendor's simulator; streams of plain data are a mean of
2 % and at worst 14 % away from it. The timelines have the timing of the preset and four bursts on
each channel; here `4 RD` are tCCDS apart. Otherwise the notation is that of products.py.
"""

import math

from stagecut.backends.pim.hbm import refresh
from stagecut.backends.pim.hbm.intervals import Intervals


def read(i: Intervals, bursts: int) -> int:
    """Cycles, without refresh, to read `bursts` from each channel: open a row, then stream.

    cycles      command                first cycle
      0         1 RD another row
     17         ACT row                0 + R2P + tRP
     31 -  37   4 RD row               17 + tRCDRD

    read = 61 = 31 + 4 tCCDS + RL + BL/2

    The simulator's figure has an interval for every burst, that is, one after the last RD, too.
    """
    return i.read_then_read(i.settled) + i.timing.rl + i.data + bursts * _gap(i)


def write(i: Intervals, bursts: int) -> int:
    """Cycles, without refresh, to write `bursts` to each channel: open a row, then stream.

    cycles      command                first cycle
      0         PRE another row
     14         ACT row                0 + tRP
     25 -  31   4 WR row               14 + tRCDWR + 1

    write = 33 = 25 + 4 tCCDS
    """
    return i.timing.trp + i.timing.trcdwr + 1 + bursts * _gap(i)


def read_back(i: Intervals, bursts: int, *, start: int) -> int:
    """Cycles to read a kernel's sums, with refresh.

    The reads begin `start` cycles after the kernel began. Each refresh that falls into them adds
    tRFC, and tRP + tRCDRD for opening the row again.
    """
    cycles, stall = read(i, bursts), i.timing.trfc + i.timing.trp + i.timing.trcdrd
    return cycles + stall * refresh.met(i, cycles, stall, start=start)


def copy(i: Intervals, cycles: int) -> int:
    """Cycles of a stream with refresh that takes `cycles` without: a transfer of plain data.

    Rows are opened again while other banks still stream, which hides a part of each refresh. The
    30 cycles are fitted: of tRFC = 350, a stream loses about 320.
    """
    stall = max(0, i.timing.trfc - 30)
    return cycles + stall * refresh.met(i, cycles, stall)


def preload(bursts: int) -> int:
    """Cycles to write weights of `bursts` on each channel, refresh included.

    The 2.8 cycles for a burst are fitted to the simulator: two on the bus, the rest for opening
    rows and for refresh.
    """
    return math.ceil(2.8 * bursts)


def _gap(i: Intervals) -> int:
    """Cycles between consecutive bursts, which go to different bank groups."""
    return max(i.timing.tccds, i.data)

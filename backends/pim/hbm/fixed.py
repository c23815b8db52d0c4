"""What every HBM-PIM kernel pays before and after it runs: parking, mode switches, instructions.

To park the banks is to open a row in each of them and to read from it once.

    enter  park the banks | two writes switch to all-bank mode | write the instructions (a change
           of rows) | a write to other banks starts PIM mode
    leave  a write ends PIM mode | one in another row, one in other banks switch back | park again

In which banks the mode and instruction registers lie is published nowhere; the order here is the
one whose intervals add up to the fixed cost of every kernel of the vendor's simulator. The
functions draw it with the preset's timing and sixteen banks; the notation is that of products.py.
"""

from stagecut.backends.pim.hbm.intervals import Intervals

#: Writes that switch modes and carry instructions, as the simulator counts them: two more than the
#: intervals below account for. Those that start and end PIM mode are counted with each kernel.
WRITES = 7


def enter(i: Intervals) -> int:
    """Cycles until the write that starts PIM mode.

    cycles      command                first cycle
      2 -  58   15 ACT banks 0 to 14
     16 -  72   15 RD banks 0 to 14    2 + tRCDRD
     73         ACT bank 15            72 + 1
     87         1 RD bank 15           73 + tRCDRD
    102 - 106   2 WR all-bank mode     87 + R2W
    146         ACT registers          106 + W2P + tRP
    156         1 WR instructions      146 + tRCDWR
    157         ACT mode               156 + 1
    167         1 WR PIM mode starts   157 + tRCDWR

    park = 71 = 14 tRRDS + tRCDRD + 1
    enter = 167 = 2 + park + tRCDRD + R2W + c + W2P + tRP + tRCDWR + 1 + tRCDWR
    """
    t = i.timing
    parked = 2 + _park(i) + t.trcdrd
    switched = i.read_to_write + i.column
    instructions = i.write_then_write(opened=t.trcdrd + switched)
    return parked + switched + instructions + _in_other_banks(i)


def leave(i: Intervals) -> int:
    """Cycles from a kernel's last write until its banks are parked and the last data are in.

    cycles      command                first cycle
      0         1 WR the last result
      1         ACT mode               0 + 1
     11         1 WR PIM mode ends     1 + tRCDWR
     51         ACT another row        11 + W2P + tRP
     61         1 WR single-bank mode  51 + tRCDWR
     62         ACT other banks        61 + 1
     72         1 WR single-bank mode  62 + tRCDWR
     98         PRE all banks          72 + W2P
     99 - 155   15 ACT banks 0 to 14   98 + 1
    113 - 169   15 RD banks 0 to 14    99 + tRCDRD
    170         ACT bank 15            169 + 1
    184         1 RD bank 15           170 + tRCDRD

    switch = 61 = W2P + tRP + tRCDWR + 1 + tRCDWR
    drain = 108 = park + tRCDRD + RL + BL/2 + 1
    leave = 207 = 1 + tRCDWR + switch + W2P + 1 + drain
    """
    ended = _in_other_banks(i)
    switched = i.write_then_write(opened=i.timing.trcdwr) + _in_other_banks(i)
    return ended + switched + i.write_to_precharge + 1 + drain(i)


def drain(i: Intervals) -> int:
    """Cycles from the first ACT that parks the banks to the end of the last data."""
    t = i.timing
    return _park(i) + t.trcdrd + t.rl + i.data + 1


def reads(i: Intervals) -> int:
    """Reads on a channel that park its banks: one of each bank, before the kernel and after it."""
    return 2 * i.geometry.banks


def activates(i: Intervals) -> int:
    """ACTs on a channel: two of each bank to park it; four for instructions and mode switches."""
    return 2 * i.geometry.banks + 4


def _park(i: Intervals) -> int:
    """Cycles from the first ACT that parks a bank to the last.

    All banks but the last are opened tRRDS apart; the last, a cycle after the read before it.
    """
    t = i.timing
    return (i.geometry.banks - 2) * max(t.trrds, t.tccds) + t.trcdrd + 1


def _in_other_banks(i: Intervals) -> int:
    """Cycles from a write to a write in other banks, closed by then, whose ACT comes after it."""
    return 1 + i.timing.trcdwr

"""What every HBM-PIM kernel pays before and after it runs: parking, mode switches, instructions.

    enter  park the banks | two writes switch to all-bank mode | write the instructions (a change
           of rows) | a write to other banks starts PIM mode
    leave  a write ends PIM mode | one in another row, one in other banks switch back | park again

Which bank each register lies in is published nowhere; the order here is the one whose intervals
add up to the fixed cost of every kernel of the vendor's simulator.
"""

from stagecut.backends.pim.hbm.intervals import Intervals

#: Writes that switch modes and carry instructions; PIM mode itself is counted with each kernel.
WRITES = 7


def enter(i: Intervals) -> int:
    """Cycles until the write that starts PIM mode."""
    t = i.timing
    parked = 2 + _park(i) + t.trcdrd
    switched = i.read_to_write + i.column
    instructions = i.write_then_write(opened=t.trcdrd + switched)
    return parked + switched + instructions + _in_other_banks(i)


def leave(i: Intervals) -> int:
    """Cycles from a kernel's last write until its banks are parked and the last data are in."""
    ended = _in_other_banks(i)
    switched = i.write_then_write(opened=i.timing.trcdwr) + _in_other_banks(i)
    return ended + switched + i.write_to_precharge + 1 + drain(i)


def drain(i: Intervals) -> int:
    """Cycles to park the banks and to see the last of the data."""
    t = i.timing
    return _park(i) + t.trcdrd + t.rl + i.data + 1


def reads(i: Intervals) -> int:
    """Parking reads once from every bank, before the kernel and after it."""
    return 2 * i.geometry.banks


def activates(i: Intervals) -> int:
    """Parking opens every bank twice; instructions and mode switches open four rows more."""
    return 2 * i.geometry.banks + 4


def _park(i: Intervals) -> int:
    """First ACT to last: all banks but one in turn; the last waits for the read before it."""
    t = i.timing
    return (i.geometry.banks - 2) * max(t.trrds, t.tccds) + t.trcdrd + 1


def _in_other_banks(i: Intervals) -> int:
    """A write that waits for the one before it, in banks that are closed by then."""
    return 1 + i.timing.trcdwr

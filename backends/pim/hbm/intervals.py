"""The intervals between an HBM-PIM's commands, derived once from the DRAM's timing.

All are in clock cycles. Kernels run in all-bank mode: a command goes to the even or to the odd
bank of every pair at once, so column commands of a kind are always tCCDL apart, however many bank
groups there are.

The timelines of the kernels use short names for them; cycles are those of the preset:

    c     column               4 = max(tCCDL, BL/2)
    7c    run                 28 = 7 c, the first to the last of 8 column commands
    R2W   read_to_write       15 = RL + BL/2 + tRTRS - WL
    W2R   write_to_read       19 = WL + BL/2 + tWTRL
    R2P   read_to_precharge    3 = BL/2 + max(tRTPL - tCCDL, 0)
    W2P   write_to_precharge  26 = WL + BL/2 + tWR

Across a change of rows in the same banks, from the last column command of a row (cycle 0) to the
first of the next row:

    cycles      command                first cycle
      0         1 RD row 0
      3         PRE row 0              0 + R2P
     17         ACT row 1              3 + tRP
     31         1 RD row 1             17 + tRCDRD

    read_then_read = 31 = R2P + tRP + tRCDRD
    read_then_write = 27 = R2P + tRP + tRCDWR
    write_then_read = 54 = W2P + tRP + tRCDRD
    write_then_write = 50 = W2P + tRP + tRCDWR

They are longer where tRAS or tRC, rather than the data, delay the PRE or the next ACT. That depends
on `opened`, the cycles from the ACT of the old row to its last column command. It never happens to
a row that was opened tRC before that command, or earlier (`settled`).
"""

from dataclasses import dataclass

from stagecut.backends.pim.hbm.parameters import Geometry, Timing
from stagecut.compiler.ir.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Intervals:
    """Cycles from one column command, or run of them, to the next.

    Raises DeviceError for timings in which a kernel takes more than the sum of its intervals.
    """

    timing: Timing
    geometry: Geometry

    def __post_init__(self) -> None:
        """Refuse timings in which a change of rows takes longer than the commands that hide it.

        While the banks of one side change rows, the other side runs half of an element-wise pass,
        or reads the weights of a tile; the change must be over by then. And tRAS and tRC must be
        over after the shortest run of commands to a row, except for the rows in kernels.py.
        """
        t, tile = self.timing, (self.geometry.tile_bursts - 1) * self.column
        half = self.write_to_read + 2 * self.run + self.read_then_write(self.settled)
        reopened = self.write_to_precharge + t.trp
        shortest = min(
            self.write_run_opened + self.write_to_precharge,
            self.row_read_opened + self.read_to_precharge,
            half + self.write_to_read - reopened + self.run + self.read_to_precharge,
        )
        hidden = min(
            half + self.write_to_read - t.trcdrd,
            self.write_to_read + tile + self.read_to_write - t.trcdwr,
        )
        _refuse_more("tRAS", t.tras, shortest)
        _refuse_more("tRC", t.trc, shortest + t.trp)
        _refuse_more("tWR", t.twr, t.twr + hidden - reopened)

    @property
    def data(self) -> int:
        """Cycles of a burst on the data bus, which carries data twice in a cycle."""
        return self.timing.bl // 2

    @property
    def column(self) -> int:
        """To the next column command of the same kind, whose burst finds the data bus free."""
        return max(self.timing.tccdl, self.data)

    @property
    def run(self) -> int:
        """From the first to the last of the column commands that write or read all registers."""
        return (self.geometry.registers - 1) * self.column

    @property
    def read_to_write(self) -> int:
        """The data of the read have left the bus, and it has turned, before those of the write."""
        return self.timing.rl + self.data + self.timing.trtrs - self.timing.wl

    @property
    def write_to_read(self) -> int:
        """tWTRL after the end of the written data."""
        return self.timing.wl + self.data + self.timing.twtrl

    @property
    def read_to_precharge(self) -> int:
        """BL/2 + max(tRTPL, tCCDL) - tCCDL, as the vendor's simulator has it."""
        return self.data + max(self.timing.trtpl - self.timing.tccdl, 0)

    @property
    def write_to_precharge(self) -> int:
        """tWR after the end of the written data."""
        return self.timing.wl + self.data + self.timing.twr

    @property
    def settled(self) -> int:
        """The least `opened` with which neither tRAS nor tRC can delay anything."""
        return self.timing.trc

    @property
    def read_run_opened(self) -> int:
        """`opened` of a row whose ACT is tRCDRD before a run of reads."""
        return self.timing.trcdrd + self.run

    @property
    def write_run_opened(self) -> int:
        """`opened` of a row whose ACT is tRCDWR before a run of writes."""
        return self.timing.trcdwr + self.run

    @property
    def row_read_opened(self) -> int:
        """`opened` of a row whose ACT is tRCDRD before the reads of all its bursts."""
        return self.timing.trcdrd + (self.geometry.bursts_per_row - 1) * self.column

    def read_then_read(self, opened: int) -> int:
        """Read to read across a change of rows in the same banks."""
        ready = self.reopen(self.read_to_precharge, opened) + self.timing.trcdrd
        return max(ready, self.column)

    def read_then_write(self, opened: int) -> int:
        """Read to write across a change of rows in the same banks."""
        ready = self.reopen(self.read_to_precharge, opened) + self.timing.trcdwr
        return max(ready, self.read_to_write)

    def write_then_read(self, opened: int) -> int:
        """Write to read across a change of rows in the same banks."""
        ready = self.reopen(self.write_to_precharge, opened) + self.timing.trcdrd
        return max(ready, self.write_to_read)

    def write_then_write(self, opened: int) -> int:
        """Write to write across a change of rows in the same banks."""
        ready = self.reopen(self.write_to_precharge, opened) + self.timing.trcdwr
        return max(ready, self.column)

    def reopen(self, to_precharge: int, opened: int) -> int:
        """From the last column command of a row to the ACT of the next row in the same banks.

        The PRE comes `to_precharge` after that command and not before tRAS, the next ACT tRP after
        the PRE and not before tRC.
        """
        t = self.timing
        return max(to_precharge + t.trp, t.tras - opened + t.trp, t.trc - opened)


def _refuse_more(name: str, cycles: int, covered: int) -> None:
    if cycles > covered:
        raise DeviceError(
            f"{cycles} holds rows back for longer than the model covers, which is {covered} with "
            "the other numbers as they are",
            where=name,
        )

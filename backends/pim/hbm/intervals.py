"""The intervals that an HBM-PIM's kernels are made of, derived once from the DRAM's timing.

All are in clock cycles. Kernels run in all-bank mode: a command goes to the even or to the odd
bank of every pair at once, so column commands of a kind are always tCCDL apart, however many bank
groups there are.

`opened` is how long a row has been open at its last column command, counted from its ACT. It
matters where tRAS or tRC, rather than the data, hold back the row's PRE. A row that was opened
long before it was needed (`settled`) is never held back.
"""

from dataclasses import dataclass

from stagecut.backends.pim.hbm.parameters import Geometry, Timing
from stagecut.compiler.ir.errors import DeviceError


@dataclass(frozen=True, slots=True)
class Intervals:
    """From one column command, or run of them, to the next.

    Raises DeviceError for timings in which a kernel takes more than the sum of its intervals.
    """

    timing: Timing
    geometry: Geometry

    def __post_init__(self) -> None:
        """Rows must not be held open, nor take so long to change, that whole runs are waited for.

        The half of an element-wise pass and the reads of a tile are what hides the change of rows
        in the other banks.
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
        """A burst's time on the data bus, at two transfers a cycle."""
        return self.timing.bl // 2

    @property
    def column(self) -> int:
        """To the next column command of the same kind, whose burst finds the data bus clear."""
        return max(self.timing.tccdl, self.data)

    @property
    def run(self) -> int:
        """First to last of the column commands that write, or store, all registers."""
        return (self.geometry.registers - 1) * self.column

    @property
    def read_to_write(self) -> int:
        """The read's data have left the bus, and it has turned, when those of the write come."""
        return self.timing.rl + self.data + self.timing.trtrs - self.timing.wl

    @property
    def write_to_read(self) -> int:
        return self.timing.wl + self.data + self.timing.twtrl

    @property
    def read_to_precharge(self) -> int:
        return self.data + max(self.timing.trtpl - self.timing.tccdl, 0)

    @property
    def write_to_precharge(self) -> int:
        return self.timing.wl + self.data + self.timing.twr

    @property
    def settled(self) -> int:
        return self.timing.trc

    @property
    def read_run_opened(self) -> int:
        """`opened` of a row that was opened for a run of reads just in time."""
        return self.timing.trcdrd + self.run

    @property
    def write_run_opened(self) -> int:
        return self.timing.trcdwr + self.run

    @property
    def row_read_opened(self) -> int:
        """`opened` of a row whose bursts were all read, just in time."""
        return self.timing.trcdrd + (self.geometry.bursts_per_row - 1) * self.column

    def read_then_read(self, opened: int) -> int:
        """Across a change of rows in the same banks."""
        ready = self.reopen(self.read_to_precharge, opened) + self.timing.trcdrd
        return max(ready, self.column)

    def read_then_write(self, opened: int) -> int:
        ready = self.reopen(self.read_to_precharge, opened) + self.timing.trcdwr
        return max(ready, self.read_to_write)

    def write_then_read(self, opened: int) -> int:
        ready = self.reopen(self.write_to_precharge, opened) + self.timing.trcdrd
        return max(ready, self.write_to_read)

    def write_then_write(self, opened: int) -> int:
        ready = self.reopen(self.write_to_precharge, opened) + self.timing.trcdwr
        return max(ready, self.column)

    def reopen(self, to_precharge: int, opened: int) -> int:
        """Last column command of a row to the ACT of the next: PRE after tRAS, ACT after tRC."""
        t = self.timing
        return max(to_precharge + t.trp, t.tras - opened + t.trp, t.trc - opened)


def _refuse_more(name: str, cycles: int, covered: int) -> None:
    if cycles > covered:
        raise DeviceError(
            f"{cycles} holds rows back for longer than the model covers, which is {covered} with "
            "the other numbers as they are",
            where=name,
        )

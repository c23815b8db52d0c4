"""What an HBM-PIM's commands take in energy.

    where the data come from and go to                    what each bit of it pays
    read by a block, from its own bank                    cell
    stored by a block, into its own bank                  cell
    read by the host                                      cell, bank group, I/O, TSV, interposer
    written by the host, to registers                     bank group, I/O, TSV, interposer
    written by the host, into a bank                      all five

Every ACT, with the PRE that follows, pays for each bit of the row that it opens. Where a row is
used from end to end this comes to 0.55 pJ a bit for a block, and to 3.59 for the host.
"""

from dataclasses import dataclass, fields

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel
from stagecut.backends.pim.hbm.parameters import Geometry
from stagecut.compiler.ir.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """`lane_j` is an operation of one lane; `standby_w` what a channel draws while rows are open;
    `host_w` what the host draws, which drives every command itself."""

    row_j_per_bit: float
    cell_j_per_bit: float
    bank_group_j_per_bit: float
    io_j_per_bit: float
    tsv_j_per_bit: float
    interposer_j_per_bit: float
    lane_j: float
    standby_w: float
    host_w: float

    def __post_init__(self) -> None:
        for field in fields(self):
            number = getattr(self, field.name)
            if number < 0:
                raise DeviceError(f"{number:g} would gain energy", where=field.name)

    @property
    def path_j_per_bit(self) -> float:
        """Between a bank and the host."""
        return (
            self.bank_group_j_per_bit
            + self.io_j_per_bit
            + self.tsv_j_per_bit
            + self.interposer_j_per_bit
        )


def kernel_j(e: Energy, i: Intervals, kernel: Kernel, run_s: float) -> float:
    """Of all channels. Whatever is no mode switch or parking works on every block at once."""
    g = i.geometry
    parking, burst, row = fixed.reads(i), 8 * g.burst_bytes, 8 * g.row_bytes * e.row_j_per_bit
    read = burst * e.cell_j_per_bit + g.lanes * e.lane_j
    in_blocks = (
        (kernel.reads - parking) * read
        + kernel.stores * burst * e.cell_j_per_bit
        + (kernel.activates - parking) * row
    )
    by_host = (
        parking * (row + burst * (e.cell_j_per_bit + e.path_j_per_bit))
        + (kernel.writes - kernel.stores) * burst * e.path_j_per_bit
    )
    return g.channels * (g.blocks * in_blocks + by_host + e.standby_w * run_s)


def stream_j(e: Energy, g: Geometry, bursts: int) -> float:
    """Of `bursts` in all that the host reads or writes one after the other, rows used in full."""
    bits = 8 * g.burst_bytes * bursts
    return bits * (e.row_j_per_bit + e.cell_j_per_bit + e.path_j_per_bit)

"""Energy of an HBM-PIM's commands, in joules.

Each bit of a burst takes the energy of every part of the way that it passes:

    burst                                                 parts of the way
    read by a block, from its own bank                    cell
    stored by a block, into its own bank                  cell
    read by the host                                      cell, bank group, I/O, TSV, interposer
    written by the host, to registers                     bank group, I/O, TSV, interposer
    written by the host, into a bank                      all five

An ACT, with the PRE that follows, takes energy for each bit of the row that it opens. Where all
bursts of a row are read, this comes to 0.55 pJ for each bit read by a block, and to 3.59 pJ for
each bit read by the host, with the figures of the preset.
"""

from dataclasses import dataclass, fields

from stagecut.backends.pim.hbm import fixed
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel
from stagecut.backends.pim.hbm.parameters import Geometry
from stagecut.compiler.ir.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Energy of each bit on each part of its way; of lanes, standby and host.

    `lane_j` is the energy of one operation (multiply and add) of a lane; `standby_w` the power of a
    channel while rows are open; `host_w` the power of the host, which issues every command itself.
    Raises DeviceError for negative figures.
    """

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
        """Joules of a bit between a bank and the host, in either direction."""
        return (
            self.bank_group_j_per_bit
            + self.io_j_per_bit
            + self.tsv_j_per_bit
            + self.interposer_j_per_bit
        )


def kernel_j(e: Energy, i: Intervals, kernel: Kernel, run_s: float) -> float:
    """Joules of `kernel`, which runs for `run_s`, on all channels.

    Commands that park banks work on one bank, and data from the host pass the way to the blocks
    once for all of them; every other command works on all blocks of a channel at once.
    """
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
    """Joules of `bursts`, in all channels together, that the host reads or writes.

    They fill the rows in which they lie.
    """
    bits = 8 * g.burst_bytes * bursts
    return bits * (e.row_j_per_bit + e.cell_j_per_bit + e.path_j_per_bit)

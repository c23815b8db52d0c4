"""HBM-PIM as a whole: what a piece of work costs, and what copies cost."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stagecut.backends.pim.architecture import Commands, Cost
from stagecut.backends.pim.hbm import fixed, kernels, refresh, stream
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel
from stagecut.backends.pim.hbm.parameters import Geometry, Host
from stagecut.backends.pim.work import Elementwise, Product, Work

_BYTES = 2


@dataclass(frozen=True, slots=True)
class HbmPim:
    """fp16 units between the banks of HBM2, driven by the host's own reads and writes."""

    intervals: Intervals
    host: Host

    @property
    def geometry(self) -> Geometry:
        return self.intervals.geometry

    @property
    def description(self) -> str:
        return f"HBM-PIM, fp16, {self.geometry.channels} pseudo-channels"

    @property
    def dtype(self) -> npt.DTypeLike:
        return np.float16

    @property
    def capacity_bytes(self) -> int:
        return self.geometry.capacity_bytes

    def cost(self, work: Work) -> Cost:
        return self._product(work) if isinstance(work, Product) else self._elementwise(work)

    def write_s(self, elements: int) -> float:
        return self._hand_over_s(elements) + self._write_s(elements)

    def read_s(self, elements: int) -> float:
        return self._hand_over_s(elements) + self._read_s(elements)

    def _product(self, work: Product) -> Cost:
        """The host feeds the activation to the kernel, reads the lanes' sums, adds them up, and
        writes the result into the memory, where the next kernel expects it."""
        g = self.geometry
        tiles, outputs = -(-work.inner // g.tile_inputs), -(-work.outer // self._full_outputs)
        kernel = kernels.product(self.intervals, steps=outputs * work.rows, tiles=tiles)
        cycles = self._refreshed(kernel)
        sums = outputs * g.tile_outputs * work.rows
        readback_cycles = stream.read_back(self.intervals, sums, start=cycles)
        reduce_s = work.rows * work.outer * g.burst_bytes / self.host.reduce_bytes_per_s
        run_s = (
            self.host.sync_s
            + self._read_s(work.rows * work.inner)
            + (cycles + readback_cycles) * self.intervals.timing.tck_s
            + reduce_s
            + self._write_s(work.rows * work.outer)
        )
        padded = outputs * self._full_outputs * tiles * g.tile_inputs * _BYTES
        return Cost(cycles, readback_cycles, run_s, self._commands(kernel), padded)

    def _elementwise(self, work: Elementwise) -> Cost:
        per_pass = self.geometry.pass_elements * self.geometry.channels
        passes = -(-work.elements // per_pass)
        make = kernels.relu if work.kind == "relu" else kernels.add
        kernel = make(self.intervals, passes)
        cycles = self._refreshed(kernel)
        run_s = self.host.sync_s + cycles * self.intervals.timing.tck_s
        padded = passes * per_pass * _BYTES * (2 if work.kind == "relu" else 3)
        return Cost(cycles, 0, run_s, self._commands(kernel), padded)

    @property
    def _full_outputs(self) -> int:
        """Outputs that fill one tile on every channel."""
        return self.geometry.tile_outputs * self.geometry.channels

    def _refreshed(self, kernel: Kernel) -> int:
        """Cycles with refresh; one that falls into the last drain holds nothing up."""
        i, stall = self.intervals, refresh.kernel_stall(self.intervals)
        return kernel.cycles + stall * refresh.met(i, kernel.cycles - fixed.drain(i), stall)

    def _commands(self, kernel: Kernel) -> Commands:
        n = self.geometry.channels
        return Commands(kernel.reads * n, kernel.writes * n, kernel.activates * n)

    def _hand_over_s(self, elements: int) -> float:
        return self.host.sync_s + elements * _BYTES / self.host.flush_bytes_per_s

    def _read_s(self, elements: int) -> float:
        cycles = stream.read(self.intervals, self._bursts(elements))
        return stream.copy(self.intervals, cycles) * self.intervals.timing.tck_s

    def _write_s(self, elements: int) -> float:
        cycles = stream.write(self.intervals, self._bursts(elements))
        return stream.copy(self.intervals, cycles) * self.intervals.timing.tck_s

    def _bursts(self, elements: int) -> int:
        """Bursts for each channel."""
        return -(-elements // (self.geometry.lanes * self.geometry.channels))

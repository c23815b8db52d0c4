"""HBM-PIM as a whole: what a piece of work costs, and what copies cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stagecut.backends.pim.architecture import Commands, Cost, Execution
from stagecut.backends.pim.hbm import fixed, kernels, refresh, stream
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel
from stagecut.backends.pim.hbm.parameters import Geometry, Host, Kernels
from stagecut.backends.pim.hbm.placement import Placement, placements
from stagecut.backends.pim.work import Elementwise, Kind, Product, Work

_ELEMENTWISE: Mapping[Kind, Callable[[Intervals, int], Kernel]] = {
    "add": kernels.add,
    "sub": kernels.sub,
    "mul": kernels.add,
    "relu": kernels.relu,
    "batchnorm": kernels.batchnorm,
}


@dataclass(frozen=True, slots=True)
class HbmPim:
    """fp16 units between the banks of HBM2, driven by the host's own reads and writes."""

    intervals: Intervals
    host: Host
    options: Kernels

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
    def kinds(self) -> frozenset[Kind]:
        return frozenset(_ELEMENTWISE)

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
        placed = list(placements(self.geometry, work))[: None if self.options.split else 1]
        ways = [self._execute(work, placement) for placement in placed]
        chosen = min(ways, key=lambda way: self._product_s(work, way))
        bursts = chosen.bytes_padded // (self.geometry.burst_bytes * self.geometry.channels)
        load_s = stream.preload(bursts) * self.intervals.timing.tck_s
        return Cost(ways[0], chosen, self._product_s(work, chosen), load_s)

    def _execute(self, work: Product, placement: Placement) -> Execution:
        make = kernels.tree_product if self.options.tree else kernels.product
        steps, tiles = placement.output_tiles * work.rows, placement.input_tiles
        kernel = make(self.intervals, steps=steps, tiles=tiles)
        cycles = self._refreshed(kernel)
        sums = self.geometry.tile_outputs * steps * self._sums_of_an_output(tiles)
        return Execution(
            placement.ways,
            cycles,
            stream.read_back(self.intervals, sums, start=cycles),
            self._commands(kernel),
            placement.bytes_padded(self.geometry),
        )

    def _product_s(self, work: Product, way: Execution) -> float:
        """The host feeds the activation to the kernel, reads the lanes' sums, adds them up, and
        writes the result into the memory, where the next kernel expects it."""
        outputs, tiles = work.rows * work.outer, -(-work.inner // self.geometry.tile_inputs)
        sums = outputs * way.ways * self._sums_of_an_output(-(-tiles // way.ways))
        return (
            self.host.sync_s
            + self._read_s(work.rows * work.inner)
            + (way.cycles + way.readback_cycles) * self.intervals.timing.tck_s
            + sums * self.geometry.burst_bytes / self.host.reduce_bytes_per_s
            + self._write_s(outputs)
        )

    def _sums_of_an_output(self, tiles: int) -> int:
        """Bursts of lanes that each channel hands back for an output."""
        return tiles if self.options.tree else 1

    def _elementwise(self, work: Elementwise) -> Cost:
        """Activations that are repeated are fetched, and written out in full, by the host."""
        per_pass = self.geometry.pass_elements * self.geometry.channels
        passes = -(-work.elements // per_pass)
        kernel = _ELEMENTWISE[work.kind](self.intervals, passes)
        cycles = self._refreshed(kernel)
        fetched = [operand.elements for operand in work.repeated if not operand.constant]
        repeat_s = sum(self._read_s(small) + self._write_s(work.elements) for small in fetched)
        loaded = len(work.repeated) - len(fetched)
        execution = Execution(
            1, cycles, 0, self._commands(kernel), passes * per_pass * 2 * (work.operands + 1)
        )
        return Cost(
            plain=execution,
            chosen=execution,
            run_s=self.host.sync_s + cycles * self.intervals.timing.tck_s + repeat_s,
            load_s=loaded * self._write_s(work.elements),
        )

    def _refreshed(self, kernel: Kernel) -> int:
        """Cycles with refresh; one that falls into the last drain holds nothing up."""
        i, stall = self.intervals, refresh.kernel_stall(self.intervals)
        return kernel.cycles + stall * refresh.met(i, kernel.cycles - fixed.drain(i), stall)

    def _commands(self, kernel: Kernel) -> Commands:
        n = self.geometry.channels
        return Commands(kernel.reads * n, kernel.writes * n, kernel.activates * n)

    def _hand_over_s(self, elements: int) -> float:
        return self.host.sync_s + elements * 2 / self.host.flush_bytes_per_s

    def _read_s(self, elements: int) -> float:
        cycles = stream.read(self.intervals, self._bursts(elements))
        return stream.copy(self.intervals, cycles) * self.intervals.timing.tck_s

    def _write_s(self, elements: int) -> float:
        cycles = stream.write(self.intervals, self._bursts(elements))
        return stream.copy(self.intervals, cycles) * self.intervals.timing.tck_s

    def _bursts(self, elements: int) -> int:
        """Bursts for each channel."""
        return -(-elements // (self.geometry.lanes * self.geometry.channels))

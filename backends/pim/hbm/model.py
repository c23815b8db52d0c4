"""HBM-PIM as a whole: the costs of products, of element-wise work and of transfers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stagecut.backends.pim.architecture import Commands, Cost, Execution, Spent, Tile
from stagecut.backends.pim.hbm import energy, kernels, refresh, stream
from stagecut.backends.pim.hbm.energy import Energy
from stagecut.backends.pim.hbm.exact import LaneOrder
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel
from stagecut.backends.pim.hbm.parameters import Geometry, Host, Kernels
from stagecut.backends.pim.hbm.placement import Placement, placements, tiles
from stagecut.backends.pim.hbm.products import product
from stagecut.backends.pim.hbm.tree import tree_product
from stagecut.backends.pim.work import Elementwise, Kind, Product

_ELEMENTWISE: Mapping[Kind, Callable[[Intervals, int], Kernel]] = {
    "add": kernels.add,
    "sub": kernels.sub,
    "mul": kernels.add,
    "relu": kernels.relu,
    "batchnorm": kernels.batchnorm,
}


@dataclass(frozen=True, slots=True)
class HbmPim:
    """fp16 units between the banks of HBM2, driven by the host's own read and write commands."""

    intervals: Intervals
    host: Host
    energy: Energy
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
    def exact(self) -> LaneOrder:
        return LaneOrder(self.dtype, self.geometry, self.options.tree)

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(_ELEMENTWISE)

    @property
    def capacity_bytes(self) -> int:
        return self.geometry.capacity_bytes

    @property
    def burst_elements(self) -> int:
        return self.geometry.lanes

    @property
    def peak_flop_per_s(self) -> float:
        """Each column command makes every lane of every block multiply and add."""
        return self.peak_bytes_per_s  # two operations for every two bytes

    @property
    def peak_bytes_per_s(self) -> float:
        """Each column command reads a burst in every block; they are tCCDL apart."""
        g, t = self.geometry, self.intervals.timing
        return g.channels * g.blocks * g.burst_bytes / (self.intervals.column * t.tck_s)

    def cost(self, work: Product | Elementwise) -> Cost:
        return self._product(work) if isinstance(work, Product) else self._elementwise(work)

    def share(self, parts: int) -> "HbmPim | None":
        channels, left = divmod(self.geometry.channels, parts)
        if left:
            return None
        geometry = replace(self.geometry, channels=channels)
        return replace(self, intervals=Intervals(self.intervals.timing, geometry))

    def layout(self, work: Product) -> Iterator[Tile]:
        return tiles(self.geometry, self._ways(work)[1])

    def write(self, elements: int) -> Spent:
        return self._by_host(self._hand_over_s(elements)) + self._write(elements)

    def read(self, elements: int) -> Spent:
        return self._by_host(self._hand_over_s(elements)) + self._read(elements)

    def _product(self, work: Product) -> Cost:
        plain, chosen = self._ways(work)
        way = self._way(work, chosen)
        bursts = way.execution.bytes_padded // (self.geometry.burst_bytes * self.geometry.channels)
        return Cost(
            plain=self._way(work, plain).execution,
            chosen=way.execution,
            spent=way.spent,
            load_s=stream.preload(bursts) * self.intervals.timing.tck_s,
            weight_bytes=chosen.rows(self.geometry) * self.geometry.stripe_bytes,
        )

    def _ways(self, work: Product) -> tuple[Placement, Placement]:
        """The placement of the vendor's simulator, and the fastest one."""
        placed = list(placements(self.geometry, work))[: None if self.options.split else 1]
        return placed[0], min(placed, key=lambda way: self._way(work, way).spent.run_s)

    def _way(self, work: Product, placement: Placement) -> "_Way":
        """The costs of `work` with its weights in `placement`.

        The host reads the activation and issues the kernel's commands, reads the sums of all
        lanes, adds them up, and writes the result into the memory, where the next kernel expects
        it. [1, 256] x [256, 64] on one channel, with the preset's figures and without refresh:

        ns      1000        85           1138      181          32       33
             | hand over | read 16    | kernel | read 64    | add up | write 4    | 2469
             |           | bursts (x) |        | bursts     |        | bursts (y) |
        """
        make = tree_product if self.options.tree else product
        steps, bursts = placement.output_tiles * work.rows, self._bursts_of_an_output(placement)
        kernel = make(self.intervals, steps=steps, tiles=placement.input_tiles)
        sums = self.geometry.tile_outputs * steps * bursts
        cycles = refresh.kernel_cycles(self.intervals, kernel)
        execution = Execution(
            placement.ways,
            cycles,
            stream.read_back(self.intervals, sums, start=cycles),
            self._commands(kernel),
            placement.bytes_padded(self.geometry),
        )
        reduced = work.rows * work.outer * placement.ways * bursts * self.geometry.burst_bytes
        spent = (
            self._by_host(self.host.sync_s + reduced / self.host.reduce_bytes_per_s)
            + self._read(work.rows * work.inner)
            + self._kernel(kernel)
            + self._streamed(execution.readback_cycles, sums * self.geometry.channels)
            + self._write(work.rows * work.outer)
        )
        return _Way(execution, spent)

    def _bursts_of_an_output(self, placement: Placement) -> int:
        """Bursts of 16 partial sums that the host reads from a channel for each output."""
        return placement.input_tiles if self.options.tree else 1

    def _elementwise(self, work: Elementwise) -> Cost:
        """The costs of an element-wise kernel and of one hand-over.

        The host reads each activation that is smaller than the result, and writes it into the
        memory in the shape of the result.
        """
        per_pass = self.geometry.pass_elements * self.geometry.channels
        passes = -(-work.elements // per_pass)
        kernel = _ELEMENTWISE[work.kind](self.intervals, passes)
        spent = self._by_host(self.host.sync_s) + self._kernel(kernel)
        for operand in work.laid_out:
            if not operand.constant:
                spent += self._read(operand.elements) + self._write(work.elements)
        weights = sum(operand.constant for operand in work.laid_out)
        operand_rows = -(-passes * self.geometry.registers // self.geometry.bursts_per_row)
        execution = Execution(
            ways=1,
            cycles=refresh.kernel_cycles(self.intervals, kernel),
            readback_cycles=0,
            commands=self._commands(kernel),
            bytes_padded=passes * per_pass * 2 * (work.operands + 1),
        )
        return Cost(
            plain=execution,
            chosen=execution,
            spent=spent,
            load_s=weights * self._write(work.elements).run_s,
            weight_bytes=weights * operand_rows * self.geometry.stripe_bytes,
        )

    def _commands(self, kernel: Kernel) -> Commands:
        n = self.geometry.channels
        return Commands(kernel.reads * n, kernel.writes * n, kernel.activates * n)

    def _hand_over_s(self, elements: int) -> float:
        return self.host.sync_s + elements * 2 / self.host.flush_bytes_per_s

    def _read(self, elements: int) -> Spent:
        cycles = stream.read(self.intervals, self._bursts(elements))
        bursts = -(-elements // self.geometry.lanes)
        return self._streamed(stream.copy(self.intervals, cycles), bursts)

    def _write(self, elements: int) -> Spent:
        cycles = stream.write(self.intervals, self._bursts(elements))
        bursts = -(-elements // self.geometry.lanes)
        return self._streamed(stream.copy(self.intervals, cycles), bursts)

    def _bursts(self, elements: int) -> int:
        """Bursts of `elements` numbers on each channel."""
        return -(-elements // (self.geometry.lanes * self.geometry.channels))

    def _kernel(self, kernel: Kernel) -> Spent:
        run_s = refresh.kernel_cycles(self.intervals, kernel) * self.intervals.timing.tck_s
        memory_j = energy.kernel_j(self.energy, self.intervals, kernel, run_s)
        return self._by_host(run_s) + Spent(0.0, memory_j)

    def _streamed(self, cycles: int, bursts: int) -> Spent:
        """Reading or writing `bursts`, in all channels together, in `cycles`."""
        memory_j = energy.stream_j(self.energy, self.geometry, bursts)
        return self._by_host(cycles * self.intervals.timing.tck_s) + Spent(0.0, memory_j)

    def _by_host(self, run_s: float) -> Spent:
        return Spent(run_s, run_s * self.energy.host_w)


class _Way(NamedTuple):
    """How one placement of a product runs, and what it costs."""

    execution: Execution
    spent: Spent

"""GDDR6-AiM as a whole: the costs of products, of element-wise work and of transfers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import ml_dtypes  # noqa: F401  # makes numpy know bfloat16
import numpy as np
import numpy.typing as npt

from stagecut.backends.pim.adder_tree import AdderTree
from stagecut.backends.pim.aim import kernels
from stagecut.backends.pim.aim.kernels import Kernel
from stagecut.backends.pim.aim.parameters import Energy, Geometry, Host, Timing
from stagecut.backends.pim.architecture import Commands, Cost, Execution, Spent, Tile
from stagecut.backends.pim.work import Elementwise, Kind, Product

_ELEMENTWISE: Mapping[Kind, Callable[[Timing, Geometry, int], Kernel]] = {
    "add": kernels.add,
    "mul": kernels.multiply,
    "relu": kernels.activate,
    "leakyrelu": kernels.activate,
    "sigmoid": kernels.activate,
    "tanh": kernels.activate,
    "gelu": kernels.activate,
}


@dataclass(frozen=True, slots=True)
class Aim:
    """bf16 units beside every bank of GDDR6, commanded by a controller of the host."""

    timing: Timing
    geometry: Geometry
    host: Host
    energy: Energy

    @property
    def description(self) -> str:
        return f"GDDR6-AiM, bf16, {self.geometry.channels} channels"

    @property
    def dtype(self) -> npt.DTypeLike:
        return np.dtype("bfloat16")

    @property
    def exact(self) -> AdderTree:
        return AdderTree(self.dtype, self.geometry.lanes)

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
        """Each column command makes every lane of every bank multiply and add."""
        g, t = self.geometry, self.timing
        return 2 * g.lanes * g.outputs / (t.column * t.tck_s)

    @property
    def peak_bytes_per_s(self) -> float:
        """Each column command reads a burst in every bank."""
        g, t = self.geometry, self.timing
        return g.burst_bytes * g.outputs / (t.column * t.tck_s)

    def cost(self, work: Product | Elementwise) -> Cost:
        return self._product(work) if isinstance(work, Product) else self._elementwise(work)

    def share(self, parts: int) -> "Aim | None":
        channels, left = divmod(self.geometry.channels, parts)
        return None if left else replace(self, geometry=replace(self.geometry, channels=channels))

    def layout(self, work: Product) -> Iterator[Tile]:
        """Each output takes a row of one bank for each chunk of the inner dimension."""
        g = self.geometry
        sizes = kernels.chunks(g, work.inner)
        passes = range(-(-work.outer // g.outputs))
        for turn, (chunk, size), channel, bank in product(
            passes, enumerate(sizes), range(g.channels), range(g.banks)
        ):
            output = turn * g.outputs + channel * g.banks + bank
            first = chunk * g.row_elements
            padded = -(-size // g.lanes) * g.lanes
            row = turn * len(sizes) + chunk
            yield Tile((first, first + padded), (output, output + 1), channel, 0, bank, row, 1)

    def write(self, elements: int) -> Spent:
        return self._by_host(self._hand_over_s(elements)) + self._write(elements)

    def read(self, elements: int) -> Spent:
        return self._by_host(self._hand_over_s(elements)) + self._read(elements)

    def _product(self, work: Product) -> Cost:
        """The host reads the activation, writes it to the buffers, and writes the sums back."""
        g = self.geometry
        kernel = kernels.product(self.timing, g, inner=work.inner, outer=work.outer)
        kernel = kernel.times(work.rows)
        passes, sizes = -(-work.outer // g.outputs), kernels.chunks(g, work.inner)
        bursts = passes * sum(-(-size // g.lanes) for size in sizes)
        execution = self._execution(kernel, bursts * g.outputs * g.burst_bytes)
        spent = (
            self._by_host(self.host.sync_s)
            + self._read(work.rows * work.inner)
            + self._kernel(kernel)
            + self._write(work.rows * work.outer)
        )
        load = kernels.write(self.timing, g, bursts * g.banks)
        return Cost(
            plain=execution,
            chosen=execution,
            spent=spent,
            load_s=self._seconds(load),
            weight_bytes=passes * len(sizes) * g.stripe_bytes,
        )

    def _elementwise(self, work: Elementwise) -> Cost:
        """The costs of an element-wise kernel and of one hand-over.

        The host reads each activation that is smaller than the result, and writes it into the
        memory in the shape of the result. Numbers for a table look-up come from the host and go
        back to it.
        """
        g = self.geometry
        make = _ELEMENTWISE[work.kind]
        kernel = make(self.timing, g, work.elements)
        spent = self._by_host(self.host.sync_s) + self._kernel(kernel)
        if make is kernels.activate:
            spent += self._read(work.elements) + self._write(work.elements)
        for operand in work.laid_out:
            if not operand.constant:
                spent += self._read(operand.elements) + self._write(work.elements)
        weights = sum(operand.constant for operand in work.laid_out)
        rows = -(-work.elements // (g.outputs * g.row_elements))
        execution = self._execution(kernel, rows * g.stripe_bytes * (work.operands + 1))
        return Cost(
            plain=execution,
            chosen=execution,
            spent=spent,
            load_s=weights * self._write(work.elements).run_s,
            weight_bytes=weights * rows * g.stripe_bytes,
        )

    def _execution(self, kernel: Kernel, bytes_padded: int) -> Execution:
        """Sums are read within the kernel, so that nothing is left to read back."""
        n = self.geometry.channels
        commands = Commands(
            rd=n * (kernel.macs + kernel.reads + kernel.copies),
            wr=n * kernel.writes,
            act=n * kernel.activates,
        )
        cycles = kernels.refreshed(self.timing, kernel.cycles)
        return Execution(1, cycles, 0, commands, bytes_padded)

    def _hand_over_s(self, elements: int) -> float:
        return self.host.sync_s + elements * 2 / self.host.flush_bytes_per_s

    def _read(self, elements: int) -> Spent:
        return self._streamed(kernels.read(self.timing, self.geometry, self._bursts(elements)))

    def _write(self, elements: int) -> Spent:
        return self._streamed(kernels.write(self.timing, self.geometry, self._bursts(elements)))

    def _bursts(self, elements: int) -> int:
        """Bursts of `elements` numbers on each channel."""
        return -(-elements // (self.geometry.lanes * self.geometry.channels))

    def _kernel(self, kernel: Kernel) -> Spent:
        """A kernel: commands that do not use the data pins work in all banks at once."""
        e, g = self.energy, self.geometry
        bank_j = kernel.macs * e.mac_j + kernel.copies * e.rd_j + kernel.activates * e.act_j
        pins_j = (kernel.reads + kernel.writes) * 8 * g.burst_bytes * e.dq_j_per_bit
        run_s = self._seconds(kernel)
        memory_j = g.channels * (g.banks * bank_j + pins_j + e.standby_w * run_s)
        return self._by_host(run_s) + Spent(0.0, memory_j)

    def _streamed(self, kernel: Kernel) -> Spent:
        """A stream of plain reads or writes: each command works in one bank."""
        e, g = self.energy, self.geometry
        pins_j = (kernel.reads + kernel.writes) * 8 * g.burst_bytes * e.dq_j_per_bit
        bank_j = kernel.reads * e.rd_j + kernel.writes * e.wr_j + kernel.activates * e.act_j
        return self._by_host(self._seconds(kernel)) + Spent(0.0, g.channels * (pins_j + bank_j))

    def _seconds(self, kernel: Kernel) -> float:
        return kernels.refreshed(self.timing, kernel.cycles) * self.timing.tck_s

    def _by_host(self, run_s: float) -> Spent:
        return Spent(run_s, run_s * self.energy.host_w)

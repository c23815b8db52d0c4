"""Silent-PIM as a whole: rates fitted to the traces that its authors published.

A product reads the whole weight for every row of the activation (repeated vector-matrix product);
rows of the weight are padded. An element-wise pass reads its operands and writes its result. A
transfer is driven by a descriptor: it takes a fixed time and a time for each number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import ml_dtypes  # noqa: F401  # makes numpy know bfloat16
import numpy as np
import numpy.typing as npt

from stagecut.backends.pim.adder_tree import AdderTree
from stagecut.backends.pim.architecture import Commands, Cost, Execution, Spent, Tile
from stagecut.backends.pim.silent.parameters import Copies, Energy, Geometry, Rates
from stagecut.backends.pim.work import Elementwise, Kind, Product


@dataclass(frozen=True, slots=True)
class SilentPim:
    """bf16 units that compute with the data of ordinary DRAM reads and writes."""

    rates: Rates
    geometry: Geometry
    copies: Copies
    energy: Energy

    @property
    def description(self) -> str:
        return f"Silent-PIM, bf16, {self.geometry.banks} banks"

    @property
    def dtype(self) -> npt.DTypeLike:
        return np.dtype("bfloat16")

    @property
    def exact(self) -> AdderTree:
        return AdderTree(self.dtype, self.geometry.lanes)

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({"add", "sub", "mul"})

    @property
    def capacity_bytes(self) -> int:
        return self.geometry.capacity_bytes

    @property
    def burst_elements(self) -> int:
        return self.geometry.burst_bytes // 2

    @property
    def peak_flop_per_s(self) -> float:
        """Two operations, a multiplication and an addition, for the two bytes of each weight."""
        return self.rates.weight_bytes_per_s

    @property
    def peak_bytes_per_s(self) -> float:
        return self.rates.weight_bytes_per_s

    def cost(self, work: Product | Elementwise) -> Cost:
        return self._product(work) if isinstance(work, Product) else self._elementwise(work)

    def share(self, parts: int) -> "SilentPim | None":
        """Its rates are those of the whole."""
        return self if parts == 1 else None

    def layout(self, work: Product) -> Iterator[Tile]:
        """Rows of the weight in order, cut into pieces of a DRAM row, each in the next bank."""
        g = self.geometry
        piece = g.row_bytes // 2
        pieces = -(-g.padded(work.outer) // piece)
        for index in range(work.inner * pieces):
            inner, part = divmod(index, pieces)
            row, bank = divmod(index, g.banks)
            yield Tile((inner, inner + 1), (part * piece, (part + 1) * piece), 0, 0, bank, row, 1)

    def write(self, elements: int) -> Spent:
        c = self.copies
        return self._moved(c.to_memory_s + elements * c.to_memory_s_per_element, 0, 2 * elements)

    def read(self, elements: int) -> Spent:
        c = self.copies
        return self._moved(c.to_host_s + elements * c.to_host_s_per_element, 2 * elements, 0)

    def _product(self, work: Product) -> Cost:
        weight_bytes = 2 * work.inner * self.geometry.padded(work.outer)
        run_s = self.rates.offload_s + work.rows * weight_bytes / self.rates.weight_bytes_per_s
        if work.transposed:
            run_s += 2 * work.inner * work.outer / self.rates.transpose_bytes_per_s
        written = 2 * work.rows * work.outer
        read = work.rows * (weight_bytes + 2 * work.inner)
        return self._cost(run_s, read, written, weight_bytes, weight_bytes)

    def _elementwise(self, work: Elementwise) -> Cost:
        """Operands that are smaller than the result are repeated without further cost."""
        read, written = 2 * work.elements * work.operands, 2 * work.elements
        run_s = self.rates.offload_s + (read + written) / self.rates.pass_bytes_per_s
        weights = sum(2 * operand.elements for operand in work.laid_out if operand.constant)
        return self._cost(run_s, read, written, read + written, weights)

    def _cost(
        self, run_s: float, read: int, written: int, bytes_padded: int, weight_bytes: int
    ) -> Cost:
        execution = Execution(
            ways=1,
            cycles=round(run_s / self.rates.tck_s),
            readback_cycles=0,
            commands=self._commands(read, written),
            bytes_padded=bytes_padded,
        )
        return Cost(
            plain=execution,
            chosen=execution,
            spent=self._moved(run_s, read, written),
            load_s=weight_bytes / 2 * self.copies.to_memory_s_per_element,
            weight_bytes=weight_bytes,
        )

    def _commands(self, read: int, written: int) -> Commands:
        g = self.geometry
        return Commands(
            rd=-(-read // g.burst_bytes),
            wr=-(-written // g.burst_bytes),
            act=-(-(read + written) // g.row_bytes),
        )

    def _moved(self, run_s: float, read: int, written: int) -> Spent:
        e, commands = self.energy, self._commands(read, written)
        memory_j = commands.rd * e.rd_j + commands.wr * e.wr_j + commands.act * e.row_j
        return Spent(run_s, memory_j + run_s * e.host_w)

"""The interface to one kind of PIM: its costs, its layout, its arithmetic.

Everything else about PIM devices is the same for all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy.typing as npt

from stagecut.backends.pim.numerics import Arithmetic
from stagecut.backends.pim.work import Elementwise, Kind, Product


@dataclass(frozen=True, slots=True)
class Commands:
    """Numbers of DRAM commands on all channels; one that works on many banks counts once."""

    rd: int
    wr: int
    act: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One way to place and run a piece of work.

    `ways` is how many channels share the sum of each output. `cycles` are those of the kernel
    alone, `readback_cycles` those of reading its sums. `bytes_padded` is the size of its operands
    in the memory, padding included: the weights of a product, everything that an element-wise pass
    reads and writes.
    """

    ways: int
    cycles: int
    readback_cycles: int
    commands: Commands
    bytes_padded: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Time and energy. The sum of two is what steps that follow each other take."""

    run_s: float
    energy_j: float

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.run_s + other.run_s, self.energy_j + other.energy_j)


@dataclass(frozen=True, slots=True)
class Cost:
    """The costs of one piece of work in its fastest placement, `chosen`.

    `plain` is its execution in the placement of the vendor's simulator, where no two channels share
    an output; equal to `chosen` if that placement is the fastest. `spent` is the time and energy
    from operands in the memory to the result in the memory, the host's part included. `load_s` is
    the time to write the weights, once, before anything runs; `weight_bytes` is the memory they
    take as long as they are loaded, padding included.
    """

    plain: Execution
    chosen: Execution
    spent: Spent
    load_s: float
    weight_bytes: int


@dataclass(frozen=True, slots=True)
class Tile:
    """A block of a weight matrix that lies in one bank, in `rows` rows of the bank from `row` on.

    `inputs` and `outputs` are ranges of the matrix's rows and columns: the first, and one past the
    last. Where they reach beyond the matrix, there is padding.
    """

    inputs: tuple[int, int]
    outputs: tuple[int, int]
    channel: int
    rank: int
    bank: int
    row: int
    rows: int


class Architecture(Protocol):
    """One kind of PIM with its parameters."""

    @property
    def description(self) -> str: ...
    @property
    def dtype(self) -> npt.DTypeLike:
        """The 16-bit format of the numbers in the memory."""
        ...

    @property
    def exact(self) -> Arithmetic:
        """The arithmetic of the hardware, bit for bit."""
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of element-wise work for which it has kernels; every PIM has products."""
        ...

    @property
    def capacity_bytes(self) -> int: ...
    @property
    def burst_elements(self) -> int:
        """The numbers in a burst."""
        ...

    @property
    def peak_flop_per_s(self) -> float:
        """The most floating-point operations that all its units can do in a second."""
        ...

    @property
    def peak_bytes_per_s(self) -> float:
        """The most bytes that all its units can read from the banks in a second."""
        ...

    def cost(self, work: Product | Elementwise) -> Cost: ...

    def share(self, parts: int) -> "Architecture | None":
        """The device with one of so many equal parts of its channels; None where that does not come
        out, or where a part of it computes by no rule that is known."""
        ...

    def layout(self, work: Product) -> Iterator[Tile]:
        """The tiles of the weight in the placement of `cost`, in an otherwise empty memory."""
        ...

    def write(self, elements: int) -> Spent:
        """The transfer of a value of `elements` numbers from the host to the memory."""
        ...

    def read(self, elements: int) -> Spent:
        """The transfer of a value of `elements` numbers from the memory to the host."""
        ...

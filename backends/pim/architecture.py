"""What one kind of PIM answers about itself; everything else about a PIM device is common."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy.typing as npt

from stagecut.backends.pim.numerics import Arithmetic
from stagecut.backends.pim.work import Kind, Product, Work


@dataclass(frozen=True, slots=True)
class Commands:
    """DRAM commands on all channels; one that works on many banks counts once."""

    rd: int
    wr: int
    act: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One way to place and run a piece of work.

    `ways` is how many channels share the sum of each output. `cycles` is the kernel alone,
    `readback_cycles` reading its sums. `bytes_padded` is what its operands in the memory take
    there: the weights of a product, everything that an element-wise pass reads and writes.
    """

    ways: int
    cycles: int
    readback_cycles: int
    commands: Commands
    bytes_padded: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Time and energy; those of steps that follow each other are added up."""

    run_s: float
    energy_j: float

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.run_s + other.run_s, self.energy_j + other.energy_j)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work costs, placed as it is fastest (`chosen`).

    `plain` is the placement of the vendor's simulator, where no two channels share an output; the
    same object if that is the fastest. `spent` is on everything from operands in the memory to the
    result in the memory, the host's part included. `load_s` is writing the weights, once, before
    anything runs; `weight_bytes` is what they take in the memory for good, padding included.
    """

    plain: Execution
    chosen: Execution
    spent: Spent
    load_s: float
    weight_bytes: int


@dataclass(frozen=True, slots=True)
class Tile:
    """A block of a weight matrix that lies in one bank: `rows` rows of it, from `row` on.

    `inputs` and `outputs` are the first and one past the last of the weight's rows and columns;
    where they reach beyond the matrix, there is padding.
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
        """The element-wise work that it has kernels for; all have products."""
        ...

    @property
    def capacity_bytes(self) -> int: ...
    @property
    def peak_flop_per_s(self) -> float:
        """What all its units can do at the most."""
        ...

    @property
    def peak_bytes_per_s(self) -> float:
        """What they can read from the banks at the most."""
        ...

    def cost(self, work: Work) -> Cost: ...

    def layout(self, work: Product) -> Iterator[Tile]:
        """Where each tile of the weight lies that `cost` has placed, in an empty memory."""
        ...

    def write(self, elements: int) -> Spent:
        """Copying a value of `elements` numbers from the host into the memory."""
        ...

    def read(self, elements: int) -> Spent:
        """Copying a value of `elements` numbers from the memory to the host."""
        ...

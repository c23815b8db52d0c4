"""What one kind of PIM answers about itself; everything else about a PIM device is common."""

from dataclasses import dataclass
from typing import Protocol

import numpy.typing as npt

from stagecut.backends.pim.work import Kind, Work


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
class Cost:
    """What one piece of work costs, placed as it is fastest (`chosen`).

    `plain` is the placement of the vendor's simulator, where no two channels share an output; the
    same object if that is the fastest. `run_s` is everything from operands in the memory to the
    result in the memory, the host's part included; `load_s` is writing the weights, once, before
    anything runs.
    """

    plain: Execution
    chosen: Execution
    run_s: float
    load_s: float


class Architecture(Protocol):
    """One kind of PIM with its parameters."""

    @property
    def description(self) -> str: ...
    @property
    def dtype(self) -> npt.DTypeLike:
        """The 16-bit format of the numbers in the memory."""
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """The element-wise work that it has kernels for; all have products."""
        ...

    @property
    def capacity_bytes(self) -> int: ...

    def cost(self, work: Work) -> Cost: ...

    def write_s(self, elements: int) -> float:
        """Seconds to copy a value of `elements` numbers from the host into the memory."""
        ...

    def read_s(self, elements: int) -> float:
        """Seconds to copy a value of `elements` numbers from the memory to the host."""
        ...

"""What one kind of PIM answers about itself; everything else about a PIM device is common."""

from dataclasses import dataclass
from typing import Protocol

import numpy.typing as npt

from stagecut.backends.pim.work import Work


@dataclass(frozen=True, slots=True)
class Commands:
    """DRAM commands of a kernel on all channels; one that works on many banks counts once."""

    rd: int
    wr: int
    act: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work costs.

    `cycles` is the kernel alone, `readback_cycles` reading its sums; `run_s` is everything from
    operands in the memory to the result in the memory, the host's part included. `bytes_padded`
    is what the operands and results that lie in the memory take there.
    """

    cycles: int
    readback_cycles: int
    run_s: float
    commands: Commands
    bytes_padded: int


class Architecture(Protocol):
    """One kind of PIM with its parameters."""

    @property
    def description(self) -> str: ...
    @property
    def dtype(self) -> npt.DTypeLike:
        """The 16-bit format of the numbers in the memory."""
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

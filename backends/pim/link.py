"""The links between the host and a PIM device; their transfers change the number format."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stagecut.backends.pim.architecture import Architecture, Spent
from stagecut.backends.rounding import narrow
from stagecut.compiler.ir.device import Estimate, Tensor
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import HOST, Basis


@dataclass(frozen=True, slots=True)
class ToMemory:
    """Host to PIM: float32 numbers are rounded to the memory's 16 bits."""

    target: str
    architecture: Architecture
    source: ClassVar[str] = HOST
    basis: ClassVar[Basis] = "modelled"

    def transfer(self, tensor: Tensor) -> Tensor:
        return narrow(tensor, self.architecture.dtype)

    def estimate(self, value: Value) -> Estimate:
        return _estimate(self.architecture.write(value.elements))


@dataclass(frozen=True, slots=True)
class ToHost:
    """PIM to host: the memory's 16-bit numbers become float32, without rounding."""

    source: str
    architecture: Architecture
    target: ClassVar[str] = HOST
    basis: ClassVar[Basis] = "modelled"

    def transfer(self, tensor: Tensor) -> Tensor:
        return tensor.astype(np.float32)

    def estimate(self, value: Value) -> Estimate:
        return _estimate(self.architecture.read(value.elements))


def _estimate(spent: Spent) -> Estimate:
    return Estimate(spent.run_s, spent.energy_j)

"""The links between the host and a chip's HBM; their transfers change the number format."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.rounding import narrow
from stagecut.compiler.ir.device import Estimate, Tensor
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import HOST, Basis


@dataclass(frozen=True, slots=True)
class ToMemory:
    """Host to HBM: float32 numbers become those of the chip, rounded where these are narrower."""

    target: str
    chip: Chip
    stored: npt.DTypeLike
    source: ClassVar[str] = HOST
    basis: ClassVar[Basis] = "modelled"

    def transfer(self, tensor: Tensor) -> Tensor:
        return narrow(tensor, self.stored)

    def estimate(self, value: Value) -> Estimate:
        return _estimate(self.chip, value)


@dataclass(frozen=True, slots=True)
class ToHost:
    """HBM to host: the chip's numbers become float32."""

    source: str
    chip: Chip
    target: ClassVar[str] = HOST
    basis: ClassVar[Basis] = "modelled"

    def transfer(self, tensor: Tensor) -> Tensor:
        return narrow(tensor, np.float32)

    def estimate(self, value: Value) -> Estimate:
        return _estimate(self.chip, value)


def load_s(chip: Chip, elements: int) -> float:
    """Seconds until so many numbers are in the HBM."""
    return chip.host.sync_s + elements * chip.number_bytes / chip.host.link_bytes_per_s


def _estimate(chip: Chip, value: Value) -> Estimate:
    bits = 8 * value.elements * chip.number_bytes
    return Estimate(load_s(chip, value.elements), bits * chip.energy.hbm_j_per_bit)

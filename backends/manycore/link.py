"""The links between the host and a chip's HBM, which holds the chip's numbers."""

import numpy as np
import numpy.typing as npt

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.modelled_link import ModelledLink
from stagecut.compiler.ir.device import Estimate
from stagecut.compiler.ir.machine import HOST


def links(memory: str, chip: Chip, stored: npt.DTypeLike) -> tuple[ModelledLink, ...]:
    """To the HBM, where numbers are held as `stored`, and back."""

    def taken(elements: int) -> Estimate:
        bits = 8 * elements * chip.number_bytes
        return Estimate(load_s(chip, elements), bits * chip.energy.hbm_j_per_bit)

    return (
        ModelledLink(HOST, memory, stored, taken),
        ModelledLink(memory, HOST, np.float32, taken),
    )


def load_s(chip: Chip, elements: int) -> float:
    """Seconds until so many numbers are in the HBM."""
    return chip.host.sync_s + elements * chip.number_bytes / chip.host.link_bytes_per_s

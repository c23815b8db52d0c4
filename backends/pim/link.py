"""The links between the host and a PIM device, whose memory holds 16-bit numbers."""

import numpy as np

from stagecut.backends.modelled_link import ModelledLink
from stagecut.backends.pim.architecture import Architecture, Spent
from stagecut.compiler.ir.device import Estimate
from stagecut.compiler.ir.machine import HOST


def links(memory: str, architecture: Architecture) -> tuple[ModelledLink, ...]:
    """To the memory, which rounds, and back, which does not."""
    return (
        ModelledLink(
            HOST, memory, architecture.dtype, lambda count: _estimate(architecture.write(count))
        ),
        ModelledLink(memory, HOST, np.float32, lambda count: _estimate(architecture.read(count))),
    )


def _estimate(spent: Spent) -> Estimate:
    return Estimate(spent.run_s, spent.energy_j)

"""A link of a modelled device's memory: what it transfers changes the number format."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy.typing as npt

from stagecut.backends.rounding import narrow
from stagecut.compiler.ir.device import Estimate, Tensor
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import Basis


@dataclass(frozen=True, slots=True)
class ModelledLink:
    """Numbers become `dtype`, that of `target`, rounded where it is narrower; `taken` is what so
    many of them cost."""

    source: str
    target: str
    dtype: npt.DTypeLike
    taken: Callable[[int], Estimate]
    basis: ClassVar[Basis] = "modelled"

    def transfer(self, tensor: Tensor) -> Tensor:
        return narrow(tensor, self.dtype)

    def estimate(self, value: Value) -> Estimate:
        return self.taken(value.elements)

"""Weights in few bits that a device made, for as long as the device is there: stages that are
prepared one after the other quantise no weight again.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it takes a while, and a device is cheap to make
    from stagecut.compiler.formats.quantised_tensor import QuantisedMatrix

#: The usual limit.
MOST_BYTES = 1 << 30


class Held:
    """The first that fit into `most_bytes`."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._left_bytes = most_bytes
        self._matrices: dict[int, QuantisedMatrix] = {}

    def keep(self, matrices: "Iterable[QuantisedMatrix]") -> None:
        for matrix in matrices:
            size = matrix.form.size_bytes
            if id(matrix) not in self._matrices and size <= self._left_bytes:
                self._matrices[id(matrix)] = matrix
                self._left_bytes -= size

"""A cost table's integer program while it is built: which variable stands for what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stagecut.compiler.ir.costs import Cost, CostTable
from stagecut.compiler.ir.solution import Assignment
from stagecut.passes.partition.milp.solver import IntegerProgram

#: Part of a row: variable -> factor.
Terms: TypeAlias = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class PartitionProgram:
    """`on[n][d]` is the variable x[n, d] of node `n`, by index, and device `d`, by name; `steps`
    are the variables z of transfers and what each costs."""

    table: CostTable
    program: IntegerProgram
    on: tuple[Mapping[str, int], ...]
    steps: dict[int, Cost] = field(default_factory=dict)

    def assignment(self, point: npt.NDArray[np.float64]) -> Assignment:
        """Where a point of the program puts every node."""
        devices = (max(able, key=lambda device: point[able[device]]) for able in self.on)
        names = (node.name for node in self.table.nodes)
        return Assignment(dict(zip(names, devices, strict=True)))

    def in_memories(self, node: int, factor: float) -> dict[str, Terms]:
        """Memory -> the variables that put the node there, all with one factor."""
        terms: dict[str, dict[int, float]] = {}
        for device, variable in self.on[node].items():
            terms.setdefault(self.table.machine.device(device).memory, {})[variable] = factor
        return {**terms}

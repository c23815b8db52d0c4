"""Baseline: the whole graph on one device."""

from collections.abc import Iterator
from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError, UnplaceableError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Assignment, Solution
from stagecut.passes.partition.baselines.bound import unproven


@dataclass(frozen=True, slots=True)
class Single:
    """`device` by name; without it, the best of those that can run every node."""

    device: str | None = None
    objective: Objective = LATENCY

    def __call__(self, table: CostTable) -> Solution:
        """Raises DeviceError for an unknown device, UnplaceableError when it cannot run all."""
        if self.device is not None:
            return self._on(table, table.machine.device(self.device).name)
        solutions = [*self._able(table)]
        if not solutions:
            raise UnplaceableError(
                "no single device can run every node, within memory and budgets",
                fix="use --method priority with a list of devices",
            )
        return min(solutions, key=lambda solution: solution.certificate.total)

    def _able(self, table: CostTable) -> Iterator[Solution]:
        for device in table.machine.devices:
            try:
                yield self._on(table, device.name)
            except (UnplaceableError, AssignmentError):
                continue

    def _on(self, table: CostTable, device: str) -> Solution:
        for node in table.nodes:
            if device not in node.run_s:
                raise UnplaceableError(
                    f"{device} cannot run it, so it cannot run the whole graph",
                    where=f"node {node.name} ({node.op})",
                    fix=f"use --method priority with {device} first",
                )
        return unproven(table, _everywhere(table, device), "single", self.objective)


def _everywhere(table: CostTable, device: str) -> Assignment:
    return Assignment({node.name: device for node in table.nodes})

"""Baseline: the whole graph on one device."""

from dataclasses import dataclass

from stagecut.compiler.ir.account import fits
from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution, unproven


@dataclass(frozen=True, slots=True)
class Single:
    """`device` by name; without it, the best of those that can run every node."""

    device: str | None = None
    objective: Objective = LATENCY

    def __call__(self, table: CostTable) -> Solution:
        """Raises DeviceError for an unknown device, UnplaceableError when it cannot run all."""
        if self.device is not None:
            return self._on(table, table.machine.device(self.device).name)
        able = [
            device.name
            for device in table.machine.devices
            if all(device.name in node.run_s for node in table.nodes)
            and fits(table, _everywhere(table, device.name))
        ]
        if not able:
            raise UnplaceableError(
                "no single device can run every node and has room for all weights",
                fix="use --method priority with a list of devices",
            )
        return min(
            (self._on(table, device) for device in able), key=lambda each: each.certificate.total
        )

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

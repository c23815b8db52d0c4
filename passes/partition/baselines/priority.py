"""Baseline: every node on the first device of a list that can run it."""

from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Assignment, Solution
from stagecut.passes.partition.baselines.bound import unproven


@dataclass(frozen=True, slots=True)
class Priority:
    """`devices`, best first; without them, the order of the cost table."""

    devices: tuple[str, ...] = ()
    objective: Objective = LATENCY

    def __call__(self, table: CostTable) -> Solution:
        """Raises DeviceError for a device that is not in the table, UnplaceableError for a node
        that none of the devices can run."""
        machine = table.machine
        order = [machine.device(name).name for name in self.devices] or [
            device.name for device in machine.devices
        ]
        devices: dict[str, str] = {}
        for node in table.nodes:
            device = next(filter(node.run_s.__contains__, order), None)
            if device is None:
                raise UnplaceableError(
                    f"none of {', '.join(order)} can run it",
                    where=f"node {node.name} ({node.op})",
                    fix=f"add one of {', '.join(node.run_s)} to the list",
                )
            devices[node.name] = device
        return unproven(table, Assignment(devices), "priority", self.objective)

"""Baseline: every node on the first device of a list that can run it and has room for it."""

from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Assignment, Solution
from stagecut.passes.partition.baselines.bound import unproven
from stagecut.passes.partition.baselines.room import Room, Used


@dataclass(frozen=True, slots=True)
class Priority:
    """`devices`, best first; without them, the order of the cost table."""

    devices: tuple[str, ...] = ()
    objective: Objective = LATENCY

    def __call__(self, table: CostTable) -> Solution:
        """Raises DeviceError for a device that is not in the table, UnplaceableError for a node
        that none of the devices can run, or none of those that can has room for."""
        machine = table.machine
        order = [machine.device(name).name for name in self.devices] or [
            device.name for device in machine.devices
        ]
        devices: dict[str, str] = {}
        room = Room(table)
        used: Used = {}
        for node in table.nodes:
            able = [name for name in order if name in node.run_s]
            device = next((name for name in able if room.fits(used, node, name)), None)
            if device is None:
                problem = "has room left for it" if able else "can run it"
                raise UnplaceableError(
                    f"none of {', '.join(able or order)} {problem}",
                    where=f"node {node.name} ({node.op})",
                    fix="raise a capacity, or use --method optimal, which looks ahead"
                    if able
                    else f"add one of {', '.join(node.run_s)} to the list",
                )
            devices[node.name] = device
            used = room.with_node(used, node, device) or used
        return unproven(table, Assignment(devices), "priority", self.objective)

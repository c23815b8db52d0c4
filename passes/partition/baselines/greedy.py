"""Baseline: node after node, each on the device that is cheapest for it as things stand.

What a device costs is the node's own cost there plus the transfers of those inputs that are not yet
in the device's memory. A transfer that was made serves all later nodes there. A device without room
for the node, in its memory or in a budget, is passed over. Nodes that come later, stage starts and
the memories in which outputs must end are not looked at. Ties go to the earlier device.

                       on host   on pim            placed
  a writes %a          3 µs      5 µs              host
  b = f(%a)            4 µs      1 µs + transfer 2 µs  pim
  c = g(%a)            2 µs      1 µs              pim: %a is there already
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Assignment, Solution
from stagecut.passes.partition.baselines.bound import unproven
from stagecut.passes.partition.baselines.room import Room, Used
from stagecut.passes.partition.baselines.transfer_costs import TransferCosts


@dataclass(frozen=True, slots=True)
class Greedy:
    """Raises UnplaceableError where the choices made so far leave a node no device."""

    objective: Objective = LATENCY

    def __call__(self, table: CostTable) -> Solution:
        transfers = TransferCosts(table, self.objective)
        produced = {end.name: end.memory for end in table.inputs}
        present = {(end.name, end.memory) for end in table.inputs}
        devices: dict[str, str] = {}
        room = Room(table)
        used: Used = {}

        def missing(names: Iterable[str], memory: str) -> float:
            return math.fsum(
                transfers.price(name, produced[name], memory)
                for name in dict.fromkeys(names)
                if name in produced and (name, memory) not in present
            )

        for node in table.nodes:
            price = {
                device.name: math.inf
                if not room.fits(used, node, device.name)
                else self.objective.price(node.run_s[device.name], node.run_j.get(device.name))
                + missing(node.inputs, device.memory)
                for device in table.machine.devices
                if device.name in node.run_s
            }
            best = min(price, key=price.__getitem__)
            if math.isinf(price[best]):
                raise UnplaceableError(
                    "none of its devices has room left and can be reached from its inputs",
                    where=f"node {node.name} ({node.op})",
                    fix="raise a capacity, add a link, or use --method optimal, which looks ahead",
                )
            used = room.with_node(used, node, best) or used
            memory = table.machine.device(best).memory
            devices[node.name] = best
            produced |= dict.fromkeys(node.outputs, memory)
            present |= {(name, memory) for name in (*node.inputs, *node.outputs)}
        return unproven(table, Assignment(devices), "greedy", self.objective)

"""Baseline: node after node, each on the device that is cheapest for it as things stand.

A device's price is the node's own time there plus the copies of its inputs that are not yet in
the device's memory. A copy once made serves all later nodes there; what comes later, stages and
the memories in which outputs must end play no part. Ties go to the earlier device.

                       on host   on pim            placed
  a writes %a          3 µs      5 µs              host
  b = f(%a)            4 µs      1 µs + copy 2 µs  pim
  c = g(%a)            2 µs      1 µs              pim: %a is there already
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable, Moves
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution, unproven


@dataclass(frozen=True, slots=True)
class Greedy:
    """Raises UnplaceableError where the choices made so far leave a node no device."""

    objective: Objective = LATENCY

    def __call__(self, table: CostTable) -> Solution:
        moves = Moves(table, self.objective)
        produced = {end.name: end.memory for end in table.inputs}
        held = {(end.name, end.memory) for end in table.inputs}
        devices: dict[str, str] = {}

        def missing(names: Iterable[str], memory: str) -> float:
            return math.fsum(
                moves.price(name, produced[name], memory)
                for name in dict.fromkeys(names)
                if name in produced and (name, memory) not in held
            )

        for node in table.nodes:
            price = {
                device.name: self.objective.price(
                    node.run_s[device.name], node.run_j.get(device.name)
                )
                + missing(node.inputs, device.memory)
                for device in table.machine.devices
                if device.name in node.run_s
            }
            best = min(price, key=price.__getitem__)
            if math.isinf(price[best]):
                raise UnplaceableError(
                    "none of its devices can be reached from where its inputs are",
                    where=f"node {node.name} ({node.op})",
                    fix="add a link to the cost table, or use --method optimal, which looks ahead",
                )
            memory = table.machine.device(best).memory
            devices[node.name] = best
            produced |= dict.fromkeys(node.outputs, memory)
            held |= {(name, memory) for name in (*node.inputs, *node.outputs)}
        return unproven(table, Assignment(devices), "greedy", self.objective)

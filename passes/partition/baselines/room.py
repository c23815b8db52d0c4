"""What is left of memories and budgets while a baseline places node after node.

Every use adds up over the nodes: the bytes of weights in a memory, and the table's own budgets but
for "energy", of which transfers take a part that no single node tells.
"""

from collections.abc import Mapping
from typing import TypeAlias

from stagecut.compiler.ir.account import bytes_in
from stagecut.compiler.ir.costs import ENERGY, CostTable, NodeCosts

#: What the nodes placed so far use, by the name of the limit.
Used: TypeAlias = Mapping[str, float]

#: What an account allows budgets for rounding; bytes are whole.
_ROUNDING = 1e-9


class Room:
    """Whether a node still fits; without limits, everything does and nothing is counted."""

    def __init__(self, table: CostTable) -> None:
        self._memory = {device.name: device.memory for device in table.machine.devices}
        self._limits = {
            bytes_in(memory.name): float(memory.capacity_bytes)
            for memory in table.machine.memories
            if memory.capacity_bytes is not None
        }
        self._budgets = [budget.name for budget in table.budgets if budget.name != ENERGY]
        self._limits |= {
            budget.name: budget.limit * (1 + _ROUNDING)
            for budget in table.budgets
            if budget.name != ENERGY
        }

    def with_node(self, used: Used, node: NodeCosts, device: str) -> Used | None:
        """What is used once `node` is on `device`; None where that is more than there is."""
        if not self._limits:
            return used
        after = dict(used)
        uses = {name: node.uses.get(name, {}).get(device, 0.0) for name in self._budgets}
        uses[bytes_in(self._memory[device])] = node.bytes_on(device)
        for name, amount in uses.items():
            after[name] = after.get(name, 0.0) + amount
            if amount and after[name] > self._limits.get(name, after[name]):
                return None
        return after

    def fits(self, used: Used, node: NodeCosts, device: str) -> bool:
        return self.with_node(used, node, device) is not None

"""What transferring a value from one memory to another costs, relays included; for baselines."""

import math

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.transfers import table_router


class TransferCosts:
    """Each value by itself, along its own way; steps that two ways share are not told apart.

    Raises CostTableError when the objective needs an energy that the table does not have.
    """

    def __init__(self, table: CostTable, objective: Objective) -> None:
        if objective.per_j:
            table.require_energy()
        self._table = table
        self._objective = objective
        self._router = table_router(table, objective)

    def price(self, value: str, source: str, target: str) -> float:
        """In the objective's unit; infinity where no chain of links leads there."""
        before = self._router(value, source) if source != target else {}
        total, at = 0.0, target
        while at != source:
            if at not in before:
                return math.inf
            cost = self._table.transfer(value, Route(before[at], at))
            if cost is None:
                raise AssertionError(f"the way of {value} to {target} has no step to {at}")
            total += self._objective.price(cost.time_s, cost.energy_j)
            at = before[at]
        return total

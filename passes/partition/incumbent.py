"""The cheapest schedule met so far, by the evaluator's account."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from stagecut.compiler.ir.account import Account, account
from stagecut.compiler.ir.costs import ENERGY, CostTable
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Certificate, Solution, assignment_of
from stagecut.compiler.ir.transfers import scheduled, stages_on
from stagecut.passes.partition.exact.factor_graph import Floats, Ints
from stagecut.passes.partition.orders.best_order import best_order
from stagecut.passes.partition.orders.precedence import Precedence


class Incumbent:
    """Takes assignments as device numbers, one for each node; keeps the cheapest schedule."""

    def __init__(
        self, table: CostTable, objective: Objective, precedence: Callable[[], Precedence]
    ) -> None:
        self._table = table
        self._objective = objective
        self._precedence = precedence
        self._names = [device.name for device in table.machine.devices]
        self._nodes = [node.name for node in table.nodes]
        self._start = [objective.per_s * device.stage_s for device in table.machine.devices]
        self._seen: set[tuple[int, ...]] = set()
        self.total = math.inf
        self.schedule: Schedule | None = None
        self.account: Account | None = None

    def offer(self, devices: Sequence[int] | Ints) -> float:
        """Try an assignment in the best order that is known for it; returns the least total so far.

        An assignment that exceeds a budget or lacks a link is ignored.
        """
        numbers = tuple(devices.tolist() if isinstance(devices, np.ndarray) else devices)
        if numbers in self._seen:
            return self.total
        self._seen.add(numbers)
        if not any(self._start):
            return self._try(self._nodes, numbers)
        order = best_order(self._precedence(), numbers, self._start).nodes
        return self.try_steps([(node, numbers[node]) for node in order])

    def try_steps(self, steps: Sequence[tuple[int, int]]) -> float:
        """Try nodes with their devices, in the order in which they run; returns the least total so
        far."""
        return self._try([self._nodes[node] for node, _ in steps], [device for _, device in steps])

    def _try(self, order: Sequence[str], numbers: Sequence[int]) -> float:
        """`numbers` are the devices of the nodes in `order`."""
        try:
            stages = stages_on(order, [self._names[number] for number in numbers])
            schedule = scheduled(self._table, stages, self._objective)
            costs = account(self._table, schedule)
        except (AssignmentError, ScheduleError):
            return self.total
        total = costs.total(self._objective)
        if total < self.total:
            self.total, self.schedule, self.account = total, schedule, costs
        return self.total

    def transfer_uses(self, devices: Sequence[int], limits: Floats) -> Floats:
        """(B,): what an assignment's transfers use of each budget of `limits`: joules of the budget
        "energy", nothing of the others."""
        names = [budget.name for budget in self._table.budgets]
        stages = stages_on(self._nodes, [self._names[device] for device in devices])
        schedule = scheduled(self._table, stages, self._objective)
        costs = (self._table.transfer(step.value, step.route) for step in schedule.transfers)
        spent = np.zeros(len(limits))
        joules = math.fsum(cost.energy_j or 0.0 for cost in costs if cost is not None)
        spent[len(limits) - len(names) + names.index(ENERGY)] = joules
        return spent

    def devices(self) -> Sequence[int]:
        """The device of each node in the cheapest schedule; only where there is one."""
        if self.schedule is None:
            raise AssertionError("no schedule has been found")
        assignment = assignment_of(self._table, self.schedule)
        return [self._names.index(assignment[node]) for node in self._nodes]

    def solution(self, certificate: Certificate) -> Solution:
        """The cheapest schedule with its proof; only where there is one."""
        if self.schedule is None or self.account is None:
            raise AssertionError("no schedule has been found")
        assignment = assignment_of(self._table, self.schedule)
        return Solution(assignment, self.schedule, self.account, certificate, self._objective)

"""What the baselines share: a bound that needs no search, and the solution of an assignment."""

import math

from stagecut.compiler.ir.account import Account, account, check_assignment
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Assignment, Certificate, Solution
from stagecut.compiler.ir.transfers import scheduled, stages_in
from stagecut.passes.partition.orders.best_order import best_order
from stagecut.passes.partition.orders.precedence import Precedence


def least_without_transfers(table: CostTable, objective: Objective) -> float:
    """A bound over all schedules: every node on its cheapest device, nothing transferred."""
    return math.fsum(
        min(objective.price(time_s, node.run_j.get(name)) for name, time_s in node.run_s.items())
        for node in table.nodes
    )


def carried_out(
    table: CostTable, assignment: Assignment, objective: Objective
) -> tuple[Schedule, Account]:
    """`assignment` as a schedule, in the best order that is known for it, and its account.

    Raises AssignmentError or ScheduleError where it cannot be carried out.
    """
    check_assignment(table, assignment.devices)
    start = {device.name: objective.per_s * device.stage_s for device in table.machine.devices}
    order = [node.name for node in table.nodes]
    if any(start.values()):
        numbers = {name: at for at, name in enumerate(start)}
        devices = [numbers[assignment[name]] for name in order]
        best = best_order(Precedence.of(table), devices, [*start.values()])
        order = [order[at] for at in best.nodes]
    schedule = scheduled(table, stages_in(order, assignment.devices), objective)
    return schedule, account(table, schedule)


def solution_of(
    table: CostTable,
    assignment: Assignment,
    objective: Objective,
    *,
    method: str,
    bound: float,
    proof: str,
    width: int | None = None,
) -> Solution:
    """`assignment` as `carried_out` has it, beside a bound over all schedules."""
    schedule, costs = carried_out(table, assignment, objective)
    total = costs.total(objective)
    certificate = Certificate.of(method, total, bound, width=width, proof=proof)
    return Solution(assignment, schedule, costs, certificate, objective)


def unproven(
    table: CostTable, assignment: Assignment, method: str, objective: Objective
) -> Solution:
    """The solution of a method that proves nothing itself."""
    bound = least_without_transfers(table, objective)
    proof = "every node at its cheapest, nothing transferred"
    return solution_of(table, assignment, objective, method=method, bound=bound, proof=proof)

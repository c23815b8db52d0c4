"""Who takes part in the comparison: the optimum of the costs, and plans that might be faster.

The costs are those of nodes on their own. Engines fuse across nodes, and so a plan with longer
stages can be faster than the optimum:

    optimum                 the least total of the table
    optimum, fewer stages   the least total if starting a stage cost 1 % of it
    NAME                    everything on one device
    NAME first              everything that can on one real device, the rest where it is cheapest
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from stagecut.compiler.ir.account import Breakdown, evaluate
from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.errors import AssignmentError, StagecutError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import OPTIMUM
from stagecut.compiler.ir.schedule import Stage
from stagecut.passes.partition.partition import Partition

#: What starting a stage costs, as a part of the optimum, where fewer stages are wanted.
_STAGE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Entry:
    """A plan that wants to be shipped; `energy_j` is what it is predicted to take, if known."""

    name: str
    assignment: Assignment
    stages: tuple[Stage, ...]
    energy_j: float | None = None


def entries(
    costs: CostTable,
    optimum: Assignment,
    objective: Objective,
    stage: Callable[[Assignment], tuple[Stage, ...]],
) -> tuple[Entry, ...]:
    """All that differ and are possible. A plan that is one device alone goes by that name only."""
    found: dict[str, Assignment] = {}
    for name, assignment in _candidates(costs, optimum, objective).items():
        if assignment not in found.values():
            found[name] = assignment
    accounts = {name: _account(costs, assignment) for name, assignment in found.items()}
    return tuple(
        Entry(name, found[name], stage(found[name]), account.total_j)
        for name, account in accounts.items()
        if account is not None
    )


def _candidates(
    costs: CostTable, optimum: Assignment, objective: Objective
) -> Mapping[str, Assignment]:
    """By name, those first that lend their name to a plan that has several."""
    alone = {
        device.name: Assignment({node.name: device.name for node in costs.nodes})
        for device in costs.machine.devices
        if all(device.name in node.run_s for node in costs.nodes)
    }
    same = next((name for name, assignment in alone.items() if assignment == optimum), OPTIMUM)
    first = {
        f"{device.name} first": _preferring(costs, device.name)
        for device in costs.machine.devices
        if device.basis == "measured" and device.name not in alone
    }
    fewer = _fewer_stages(costs, optimum, objective)
    staged = {f"{OPTIMUM}, fewer stages": fewer} if fewer else {}
    return {same: optimum, **alone, **staged, **first}


def _preferring(costs: CostTable, device: str) -> Assignment:
    def place(node: NodeCosts) -> str:
        return device if device in node.run_s else min(node.run_s, key=node.run_s.__getitem__)

    return Assignment({node.name: place(node) for node in costs.nodes})


def _fewer_stages(costs: CostTable, optimum: Assignment, objective: Objective) -> Assignment | None:
    """None where there is no such plan, or it has no fewer."""
    extra_s = _STAGE_SHARE * evaluate(costs, optimum).total_s
    devices = tuple(
        replace(device, stage_s=device.stage_s + extra_s) for device in costs.machine.devices
    )
    dearer = replace(costs, machine=replace(costs.machine, devices=devices))
    try:
        found = Partition(objective, limit_s=5.0)(dearer).assignment
    except StagecutError:  # nothing found in time: there are others to compare
        return None
    return found if _stages(found) < _stages(optimum) else None


def _stages(assignment: Assignment) -> int:
    return sum(1 for _ in groupby(assignment.devices.values()))


def _account(costs: CostTable, assignment: Assignment) -> Breakdown | None:
    """None where the weights do not fit, or a value cannot get where it has to end."""
    try:
        return evaluate(costs, assignment)
    except AssignmentError:
        return None

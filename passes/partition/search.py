"""Search on with HiGHS where elimination alone is not enough, from the best schedule known."""

import math
from collections.abc import Sequence

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.solution import Assignment
from stagecut.passes.partition.incumbent import Incumbent
from stagecut.passes.partition.infeasible import why_infeasible
from stagecut.passes.partition.milp.model import partition_program


def search(
    table: CostTable,
    objective: Objective,
    left: CostTable,
    incumbent: Incumbent,
    bound: float,
    limit_s: float,
) -> float:
    """Offer what HiGHS finds within `limit_s` seconds to `incumbent`; return the higher bound.

    `left` is the table, or the same without candidates that no schedule cheaper than the incumbent
    has. `bound` is what no schedule can go below, as far as is known already. Raises
    UnplaceableError when nothing fits, or nothing was found in time.
    """
    built = partition_program(left, objective)
    outcome = built.program.solve(limit_s)
    bound = max(bound, min(incumbent.total, outcome.bound))
    if outcome.point is not None:
        incumbent.offer(numbers(table, built.assignment(outcome.point)))
    if incumbent.schedule is not None:
        return bound
    if math.isinf(outcome.bound):
        raise why_infeasible(table)
    raise UnplaceableError(
        f"no schedule was found within {limit_s:g} s",
        fix="give the search more time, or lift a capacity",
    )


def numbers(table: CostTable, assignment: Assignment) -> Sequence[int]:
    """The device of each node, by their indices."""
    index = {device.name: at for at, device in enumerate(table.machine.devices)}
    return [index[assignment[node.name]] for node in table.nodes]

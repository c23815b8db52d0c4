"""Say why no assignment is possible: a budget is too small, and by how much, or a link is missing.

HiGHS solves the same integer program with another objective: the sum over budgets of what exceeds
the limit, as a part of the limit. Where that is 0, no budget is to blame.
"""

import math

from stagecut.compiler.ir.costs import ENERGY, CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.units import scaled, size_exactly
from stagecut.passes.partition.milp.model import limits, partition_program, uses

#: Long enough for any table of a sensible size; the answer is then the best found so far.
_LIMIT_S = 10.0

#: A part of a limit that is no larger is what the solver's arithmetic leaves.
_ROUNDING = 1e-12

_BYTES = "bytes in "


def why_infeasible(table: CostTable) -> UnplaceableError:
    """The error to raise for a table that no assignment fits."""
    over = _least_excess(table)
    if not over:
        return UnplaceableError(
            "values cannot get from the devices that write them to those that read them",
            where="links",
            fix="add a link between the memories, or the values' own move_s",
        )
    first = next(iter(over))
    shortfalls = ", ".join(_shortfall(name, excess) for name, excess in over.items())
    if not first.startswith(_BYTES):
        return UnplaceableError(
            f"no schedule keeps within the budgets; the closest exceeds {shortfalls}",
            where=f"budget {first}",
            fix="raise the limit, or let more nodes run on devices that use less",
        )
    memories = [memory.name for memory in table.machine.memories]
    return UnplaceableError(
        f"the weights do not fit; the closest assignment lacks room for {shortfalls}",
        where=f"memories[{memories.index(first.removeprefix(_BYTES))}].capacity_bytes",
        fix="raise the capacity, or let more nodes run on devices of other memories",
    )


def _shortfall(name: str, excess: float) -> str:
    if name.startswith(_BYTES):
        return f"{size_exactly(round(excess))} in {name.removeprefix(_BYTES)}"
    return f"{name} by {scaled(excess, 'J') if name == ENERGY else f'{excess:.4g}'}"


def _least_excess(table: CostTable) -> dict[str, float]:
    """By how much each budget is exceeded where the sum of these, as parts of limits, is least."""
    built = partition_program(table, LATENCY, limited=False)
    program = built.program
    program.prices[:] = [0.0] * len(program.prices)
    over: dict[str, tuple[int, float]] = {}
    for name, limit in limits(table).items():
        unit = limit or 1.0
        over[name] = program.variable(1.0, upper=math.inf), unit
        used = uses(built, name, -1.0 / unit)
        program.at_least(-limit / unit, {**used, over[name][0]: 1.0})
    outcome = program.solve(_LIMIT_S)
    if outcome.point is None:
        return {}
    excess = {
        name: float(outcome.point[variable]) * unit for name, (variable, unit) in over.items()
    }
    return {name: amount for name, amount in excess.items() if amount > _ROUNDING * over[name][1]}

"""Say why no assignment is possible: which memory is too small, and by how much, or a way missing.

The same program that HiGHS solves, but nothing has a price except bytes above a capacity: the
least overflow is zero only if the capacities are not to blame.
"""

import math
from dataclasses import replace

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.milp.model import placement, weights_in

#: Long enough for any table of a sensible size; the answer is then the best found so far.
_LIMIT_S = 10.0


def why_infeasible(table: CostTable) -> UnplaceableError:
    """The error to raise for a table that no assignment fits."""
    over = _least_overflow(table)
    if not over:
        return UnplaceableError(
            "values cannot get from the devices that write them to those that read them",
            where="links",
            fix="add a link between the memories, or the values' own move_s",
        )
    memories = [memory.name for memory in table.machine.memories]
    shortfalls = (f"{size_bytes} bytes in {memory}" for memory, size_bytes in over.items())
    return UnplaceableError(
        f"the weights do not fit; the least there can be too much is {', '.join(shortfalls)}",
        where=f"memories[{memories.index(next(iter(over)))}].capacity_bytes",
        fix="raise the capacity, or let more nodes run on devices of other memories",
    )


def _least_overflow(table: CostTable) -> dict[str, int]:
    """How many bytes are over in which memory, when the sum of these is least."""
    unlimited = tuple(replace(each, capacity_bytes=None) for each in table.machine.memories)
    built = placement(replace(table, machine=replace(table.machine, memories=unlimited)), LATENCY)
    program = built.program
    program.prices[:] = [0.0] * len(program.prices)
    over: dict[str, int] = {}
    for memory in table.machine.memories:
        if memory.capacity_bytes is not None:
            over[memory.name] = program.variable(1.0, upper=math.inf)
            held = weights_in(built, memory.name, -1.0)
            program.at_least(-memory.capacity_bytes, {**held, over[memory.name]: 1.0})
    outcome = program.solve(_LIMIT_S)
    if outcome.point is None:
        return {}
    excess = {name: round(float(outcome.point[variable])) for name, variable in over.items()}
    return {name: size_bytes for name, size_bytes in excess.items() if size_bytes > 0}

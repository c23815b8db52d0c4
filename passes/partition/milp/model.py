"""The objective as a mixed-integer program.

x[n, d]      node n runs on device d                               whole, one of them for each node
z[v, s, m]   memory m gets value v, which was written in s         0 to 1 (transfers.py)
w[e, d]      a stage starts on d between the nodes of edge e       0 to 1, where that has a price

    minimise    cost(n, d) x[n, d] + step(v, s, m) z[v, s, m] + start(d) w[e, d]
    such that   sum over s of z[v, s, m] >= x[n in m]      for every reader n of v; 1 for an end
                w[(u, n), d] >= x[n, d] - x[u, d]          along one path of the graph
                sum over n of uses(n, d) x[n, d] + uses(v, s, m) z[v, s, m] <= limit

The nodes of a path run one after the other in every order, so that the least cost is a lower bound
for all of them. Only x has to be whole: the rest follows. With two memories, free stages and no
budget even that comes by itself, as the problem is a minimum cut and all corners of the relaxation
are whole.
"""

from itertools import pairwise

from stagecut.compiler.ir.costs import ENERGY, CostTable
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.partition.milp.program import PartitionProgram
from stagecut.passes.partition.milp.solver import IntegerProgram
from stagecut.passes.partition.milp.transfers import add_transfers
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.orders.start_bound import longest_path


def partition_program(
    table: CostTable, objective: Objective, *, limited: bool = True
) -> PartitionProgram:
    """The program of `table`, without its budgets unless `limited`.

    Raises CostTableError when the objective needs an energy that the table does not have.
    """
    if objective.per_j or any(budget.name == ENERGY for budget in table.budgets):
        table.require_energy()
    program = IntegerProgram()
    on = tuple(
        {
            device: program.variable(objective.price(time_s, node.run_j.get(device)), whole=True)
            for device, time_s in node.run_s.items()
        }
        for node in table.nodes
    )
    for able in on:
        program.at_least(1.0, dict.fromkeys(able.values(), 1.0))
        program.at_least(-1.0, dict.fromkeys(able.values(), -1.0))
    built = PartitionProgram(table, program, on)
    add_transfers(built, objective)
    _add_starts(built, objective)
    if limited:
        for name, limit in limits(table).items():
            program.at_least(-limit, uses(built, name, -1.0))
    return built


def limits(table: CostTable) -> dict[str, float]:
    """Name -> limit of every budget; the bytes of a memory are called `bytes in MEMORY`."""
    rooms = {
        f"bytes in {memory.name}": float(memory.capacity_bytes)
        for memory in table.machine.memories
        if memory.capacity_bytes is not None
    }
    return rooms | {budget.name: budget.limit for budget in table.budgets}


def uses(built: PartitionProgram, budget: str, factor: float) -> dict[int, float]:
    """`factor` times what nodes and transfers use of a budget, as terms."""
    memory_of = {device.name: device.memory for device in built.table.machine.devices}
    terms: dict[int, float] = {}
    for node, able in zip(built.table.nodes, built.on, strict=True):
        for device, variable in able.items():
            if budget == f"bytes in {memory_of[device]}":
                terms[variable] = factor * node.bytes_on(device)
            elif budget == ENERGY:
                terms[variable] = factor * node.run_j.get(device, 0.0)
            else:
                terms[variable] = factor * node.uses.get(budget, {}).get(device, 0.0)
    if budget == ENERGY:
        terms |= {at: factor * (cost.energy_j or 0.0) for at, cost in built.steps.items()}
    return terms


def _add_starts(built: PartitionProgram, objective: Objective) -> None:
    start = {
        device.name: objective.price(device.stage_s, 0.0) for device in built.table.machine.devices
    }
    if not (built.table.nodes and any(start.values())):
        return
    names = [device.name for device in built.table.machine.devices]
    precedence = Precedence.of(built.table)
    anywhere = range(len(built.table.nodes))  # a device for each node: the path with most nodes
    path = longest_path(precedence, anywhere, [max(start.values())] * len(anywhere))
    for name in filter(start.__getitem__, names):
        for earlier, node in pairwise([None, *path]):
            if node is None or name not in built.on[node]:
                continue
            before = {} if earlier is None else built.on[earlier]
            row = {built.program.variable(start[name]): 1.0, built.on[node][name]: -1.0}
            row |= {before[name]: 1.0} if name in before else {}
            built.program.at_least(0.0, row)

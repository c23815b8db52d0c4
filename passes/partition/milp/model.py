"""The objective as a mixed-integer program.

x[n, d]      node n runs on device d                               whole, one of them for each node
z[v, s, m]   memory m gets value v, which was written in s         0 to 1
w[e, d]      a stage starts on d between the nodes of edge e       0 to 1, where that has a price

    minimise    cost(n, d) x[n, d] + step(v, s, m) z[v, s, m] + start(d) w[e, d]
    such that   sum over s of z[v, s, m] >= x[n in m]      for every reader n of v; 1 for an end
                z[v, s, m] <= x[writer of v in s]
                z[v, s, m] <= z[v, s, stop]                where its way has a last stop before m
                w[(u, n), d] >= x[n, d] - x[u, d]          along one path of the graph
                sum over n of uses(n, d) x[n, d] + uses(v, s, m) z[v, s, m] <= limit

The nodes of a path run one after the other in every order, so that the least cost is a lower bound
for all of them. Only x has to be whole: the rest follows. With two memories, free stages and no
budget even that comes by itself, as the problem is a minimum cut and all corners of the relaxation
are whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stagecut.compiler.ir.costs import ENERGY, Cost, CostTable
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.solution import Assignment
from stagecut.compiler.ir.transfers import table_router
from stagecut.passes.partition.milp.solver import IntegerProgram
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.orders.start_bound import longest_path

#: Part of a row: variable -> factor.
Terms: TypeAlias = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class PartitionProgram:
    """`on[n][d]` is the variable x[n, d] of node `n`, by index, and device `d`, by name; `steps`
    are the variables z of transfers and what each costs."""

    table: CostTable
    program: IntegerProgram
    on: tuple[Mapping[str, int], ...]
    steps: dict[int, Cost] = field(default_factory=dict)

    def assignment(self, point: npt.NDArray[np.float64]) -> Assignment:
        """Where a point of the program puts every node."""
        devices = (max(able, key=lambda device: point[able[device]]) for able in self.on)
        names = (node.name for node in self.table.nodes)
        return Assignment(dict(zip(names, devices, strict=True)))


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
    _add_transfers(built, objective)
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


def _add_transfers(built: PartitionProgram, objective: Objective) -> None:
    wanted = _wanted(built)
    router = table_router(built.table, objective)
    for value, sources in _sources(built).items():
        arrivals: dict[str, dict[int, float]] = {}
        for source, present in sources.items():
            stops = router(value, source)
            targets = [source, *_on_the_way(stops, source, wanted.get(value, {}))]
            arrival: dict[str, int] = {}
            for target in targets:
                if target == source:
                    arrival[target] = built.program.variable(0.0)
                else:
                    arrival[target] = _step(built, objective, value, stops[target], target)
                    if stops[target] != source:
                        built.program.at_least(
                            0.0, {arrival[stops[target]]: 1.0, arrival[target]: -1.0}
                        )
                if present:
                    built.program.at_least(0.0, {**present, arrival[target]: -1.0})
                arrivals.setdefault(target, {})[arrival[target]] = 1.0
        for memory, demands in wanted.get(value, {}).items():
            for lower, readers in demands:
                built.program.at_least(lower, {**arrivals.get(memory, {}), **readers})


def _on_the_way(
    stops: Mapping[str, str], source: str, wanted: Mapping[str, object]
) -> Iterator[str]:
    """The memories to which a value may have to go, each after its last stop."""
    seen: set[str] = {source}

    def way(memory: str) -> Iterator[str]:
        if memory not in seen:
            seen.add(memory)
            yield from way(stops[memory])
            yield memory

    for memory in wanted:
        if memory in stops:
            yield from way(memory)


def _step(
    built: PartitionProgram, objective: Objective, value: str, source: str, target: str
) -> int:
    cost = built.table.transfer(value, Route(source, target))
    if cost is None:
        raise AssertionError(f"a way of {value} has a step from {source} to {target}")
    variable = built.program.variable(objective.price(cost.time_s, cost.energy_j))
    built.steps[variable] = cost
    return variable


def _sources(built: PartitionProgram) -> dict[str, dict[str, Terms]]:
    """Value -> memory -> the terms that add up to 1 where it is written there; none for an
    input."""
    sources: dict[str, dict[str, Terms]] = {
        end.name: {end.memory: {}} for end in built.table.inputs
    }
    for index, node in enumerate(built.table.nodes):
        sources |= dict.fromkeys(node.outputs, _in_memories(built, index, 1.0))
    return sources


def _wanted(built: PartitionProgram) -> dict[str, dict[str, list[tuple[float, Terms]]]]:
    """Value -> memory -> (lower, terms) of each reader or end: arrivals + terms >= lower."""
    wanted: dict[str, dict[str, list[tuple[float, Terms]]]] = {}
    for end in built.table.outputs:
        wanted.setdefault(end.name, {}).setdefault(end.memory, []).append((1.0, {}))
    for index, node in enumerate(built.table.nodes):
        for memory, terms in _in_memories(built, index, -1.0).items():
            for value in dict.fromkeys(node.inputs):
                wanted.setdefault(value, {}).setdefault(memory, []).append((0.0, terms))
    return wanted


def _in_memories(built: PartitionProgram, node: int, factor: float) -> dict[str, Terms]:
    """Memory -> the variables that put the node there, all with one factor."""
    terms: dict[str, dict[int, float]] = {}
    for device, variable in built.on[node].items():
        terms.setdefault(built.table.machine.device(device).memory, {})[variable] = factor
    return {**terms}


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

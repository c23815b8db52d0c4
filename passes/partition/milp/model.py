"""The objective as a mixed-integer program.

x[n, d]      node n runs on device d                              whole, one of them for each node
z[v, s, m]   memory m gets value v from s, where it was written   0 to 1
w[n, d]      a stage starts on device d with node n               0 to 1, where that has a price

    minimise    price(n, d) x[n, d] + price(v, s, m) z[v, s, m] + price(d) w[n, d]
    such that   sum over s of z[v, s, m] >= x[n in m]     for every reader n of v; 1 for an end
                z[v, s, m] <= x[writer of v in s]
                w[n, d] >= x[n, d] - x[the node before n, d]
                sum over n of weight(n) x[n in m] <= capacity(m)

Only x has to be whole: the rest follows. With two memories, free stages and no capacity even that
comes by itself, as the problem is a minimum cut and all corners of the relaxation are whole.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable, Moves
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.partition.milp.solver import Program

#: Part of a row: variable -> factor.
Terms: TypeAlias = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Placement:
    """`on[n][d]` is the variable that puts node `n`, by index, on device `d`, by name."""

    table: CostTable
    program: Program
    on: tuple[Mapping[str, int], ...]

    def assignment(self, point: npt.NDArray[np.float64]) -> Assignment:
        """Where a point of the program puts every node."""
        placed = (max(each, key=lambda device: point[each[device]]) for each in self.on)
        names = (node.name for node in self.table.nodes)
        return Assignment(dict(zip(names, placed, strict=True)))


def placement(table: CostTable, objective: Objective) -> Placement:
    """Raises CostTableError when the objective needs an energy that the table does not have."""
    moves = Moves(table, objective)
    program = Program()
    on = tuple(
        {
            device: program.variable(objective.price(time_s, node.run_j.get(device)), whole=True)
            for device, time_s in node.run_s.items()
        }
        for node in table.nodes
    )
    for each in on:
        program.at_least(1.0, dict.fromkeys(each.values(), 1.0))
        program.at_least(-1.0, dict.fromkeys(each.values(), -1.0))
    built = Placement(table, program, on)
    _add_copies(built, moves)
    _add_stages(built, objective)
    for memory in table.machine.memories:
        if memory.capacity_bytes is not None:
            program.at_least(-memory.capacity_bytes, weights_in(built, memory.name, -1.0))
    return built


def weights_in(built: Placement, memory: str, factor: float) -> dict[int, float]:
    """`factor` times the bytes of weights that the nodes bring into a memory, as terms."""
    return {
        variable: factor * node.bytes_on(device)
        for node, each in zip(built.table.nodes, built.on, strict=True)
        for device, variable in each.items()
        if built.table.machine.device(device).memory == memory
    }


def _add_copies(built: Placement, moves: Moves) -> None:
    wanted = _wanted(built)
    for value, sources in _sources(built).items():
        for memory, demands in wanted.get(value, {}).items():
            arrivals: dict[int, float] = {}
            for source, present in sources.items():
                price = moves.price(value, source, memory)
                if math.isinf(price):
                    continue
                arrival = built.program.variable(price)
                arrivals[arrival] = 1.0
                if present:
                    built.program.at_least(0.0, {**present, arrival: -1.0})
            for lower, readers in demands:
                built.program.at_least(lower, {**arrivals, **readers})


def _sources(built: Placement) -> dict[str, dict[str, Terms]]:
    """Value -> memory -> what must be for it to be written there; nothing for a bound input."""
    sources: dict[str, dict[str, Terms]] = {
        end.name: {end.memory: {}} for end in built.table.inputs
    }
    for index, node in enumerate(built.table.nodes):
        sources |= dict.fromkeys(node.outputs, _in_memories(built, index, 1.0))
    return sources


def _wanted(built: Placement) -> dict[str, dict[str, list[tuple[float, Terms]]]]:
    """Value -> memory -> what its arrivals there, plus some terms, must come to at least."""
    wanted: dict[str, dict[str, list[tuple[float, Terms]]]] = {}
    for end in built.table.outputs:
        wanted.setdefault(end.name, {}).setdefault(end.memory, []).append((1.0, {}))
    for index, node in enumerate(built.table.nodes):
        for memory, terms in _in_memories(built, index, -1.0).items():
            for value in dict.fromkeys(node.inputs):
                wanted.setdefault(value, {}).setdefault(memory, []).append((0.0, terms))
    return wanted


def _in_memories(built: Placement, node: int, factor: float) -> dict[str, Terms]:
    """Memory -> the variables that put the node there, all with one factor."""
    terms: dict[str, dict[int, float]] = {}
    for device, variable in built.on[node].items():
        terms.setdefault(built.table.machine.device(device).memory, {})[variable] = factor
    return {**terms}


def _add_stages(built: Placement, objective: Objective) -> None:
    for device in built.table.machine.devices:
        price = objective.price(device.stage_s, 0.0)
        before: Terms = {}
        for each in built.on:
            if price and device.name in each:
                start = built.program.variable(price)
                row = {start: 1.0, each[device.name]: -1.0, **before}
                built.program.at_least(0.0, row)
            before = {each[device.name]: 1.0} if device.name in each else {}

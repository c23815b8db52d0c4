"""What an assignment costs, straight from the definition.

total time   = sum of run_s over the nodes
             + for every value and every memory other than its producer's in which some consumer
               runs (or a graph output must end): one move_s from the producer's memory
             + stage_s for every stage, a stage being consecutive nodes on one device
total energy = the same with run_j and move_j; starting a stage takes time only

Shares no code with the solvers, so that it can tell when they are wrong.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable, Moves
from stagecut.compiler.ir.errors import AssignmentError
from stagecut.compiler.ir.objective import LATENCY, Objective


@dataclass(frozen=True, slots=True)
class Copy:
    """One value moved into one memory; however many consumers it has there, it is moved once."""

    value: str
    source: str
    target: str
    move_s: float
    move_j: float | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The parts of a total, in seconds and joules; None where an energy is not known."""

    run_s: float
    copies: tuple[Copy, ...]
    stage_s: float
    run_j: float | None = None

    @property
    def move_s(self) -> float:
        return math.fsum(copy.move_s for copy in self.copies)

    @property
    def move_j(self) -> float | None:
        return _sum_known(copy.move_j for copy in self.copies)

    @property
    def total_s(self) -> float:
        return math.fsum((self.run_s, self.move_s, self.stage_s))

    @property
    def total_j(self) -> float | None:
        return _sum_known((self.run_j, self.move_j))

    def total(self, objective: Objective) -> float:
        """In the objective's unit; an energy that has a price must be known."""
        return objective.price(self.total_s, self.total_j)


def evaluate(
    table: CostTable,
    assignment: Assignment,
    *,
    order: Sequence[str] | None = None,
    objective: Objective = LATENCY,
) -> Breakdown:
    """Recompute what `assignment` costs when the nodes run in `order` (the table's by default).

    The objective chooses between chains of links where there is no direct one. Raises
    AssignmentError when a node is left out, placed where it cannot run or does not fit, or cut
    off from one of its inputs; CostTableError when the objective needs an energy that is missing.
    """
    moves = Moves(table, objective)
    _check_complete(table, assignment)
    _check_capacity(table, assignment)
    placed = [(node, assignment[node.name]) for node in table.nodes]
    start_s = {device.name: device.stage_s for device in table.machine.devices}
    run_order = [node.name for node in table.nodes] if order is None else order
    return Breakdown(
        run_s=math.fsum(node.run_s[device] for node, device in placed),
        copies=tuple(_copies(table, assignment, moves)),
        stage_s=math.fsum(start_s[name] for name in _devices_started(assignment, run_order)),
        run_j=_sum_known(node.run_j.get(device) for node, device in placed),
    )


def _sum_known(energies_j: Iterable[float | None]) -> float | None:
    known: list[float] = []
    for energy_j in energies_j:
        if energy_j is None:
            return None
        known.append(energy_j)
    return math.fsum(known)


def _devices_started(assignment: Assignment, order: Sequence[str]) -> list[str]:
    placed = [assignment[name] for name in order]
    return [name for index, name in enumerate(placed) if index == 0 or placed[index - 1] != name]


def _copies(table: CostTable, assignment: Assignment, moves: Moves) -> Iterable[Copy]:
    memory_of = {device.name: device.memory for device in table.machine.devices}
    source = {end.name: end.memory for end in table.inputs}
    needed: dict[str, dict[str, None]] = {}
    for node in table.nodes:
        memory = memory_of[assignment[node.name]]
        for name in node.outputs:
            source[name] = memory
        for name in node.inputs:
            needed.setdefault(name, {})[memory] = None
    for end in table.outputs:
        needed.setdefault(end.name, {})[end.memory] = None
    for value in table.values:
        if value.name not in source:  # a free input: it is wherever it is wanted
            continue
        for memory in needed.get(value.name, {}):
            if memory == source[value.name]:
                continue
            way = moves.way(value.name, source[value.name], memory)
            if way is None:
                raise AssignmentError(
                    f"value {value.name!r} cannot be moved from {source[value.name]} to {memory}",
                    fix="add a link between these memories to the cost table",
                )
            yield Copy(value.name, source[value.name], memory, way.time_s, way.energy_j)


def _check_complete(table: CostTable, assignment: Assignment) -> None:
    for node in table.nodes:
        device = assignment.devices.get(node.name)
        if device is None:
            raise AssignmentError("is not assigned to any device", where=f"node {node.name}")
        if device not in node.run_s:
            raise AssignmentError(
                f"is assigned to {device}, which cannot run it",
                where=f"node {node.name} ({node.op})",
                fix=f"it can run on {', '.join(node.run_s)}",
            )
    nodes = {node.name for node in table.nodes}
    for name in assignment:
        if name not in nodes:
            raise AssignmentError("the cost table has no such node", where=f"node {name}")


def fits(table: CostTable, assignment: Assignment) -> bool:
    """Whether every memory has room for the weights of the nodes that run in it."""
    return not any(_overflows(table, assignment))


def _check_capacity(table: CostTable, assignment: Assignment) -> None:
    for memory, held, over in _overflows(table, assignment):
        raise AssignmentError(
            f"holds {held} bytes of weights, {over} more than fit",
            where=f"memory {memory}",
            fix="move some of its nodes elsewhere",
        )


def _overflows(table: CostTable, assignment: Assignment) -> Iterable[tuple[str, int, int]]:
    """Memories that are too small, with the bytes that they hold and those that are too many."""
    memory_of = {device.name: device.memory for device in table.machine.devices}
    held = dict.fromkeys(memory_of.values(), 0)
    for node in table.nodes:
        device = assignment[node.name]
        held[memory_of[device]] += node.bytes_on(device)
    for memory in table.machine.memories:
        over = held.get(memory.name, 0) - (memory.capacity_bytes or 0)
        if memory.capacity_bytes is not None and over > 0:
            yield memory.name, held[memory.name], over

"""What an assignment costs, straight from the definition; shares no code with the solvers.

total = sum of run_s over the nodes
      + for every value and every memory other than its producer's in which some consumer
        runs (or a graph output must end): one move_s from the producer's memory
      + stage_s for every stage, a stage being consecutive nodes on one device
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stagecut.compiler.assignment import Assignment
from stagecut.compiler.costs import CostTable, Moves
from stagecut.compiler.errors import AssignmentError


@dataclass(frozen=True, slots=True)
class Copy:
    """One value moved into one memory; however many consumers it has there, it is moved once."""

    value: str
    source: str
    target: str
    move_s: float


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The parts of a total, in seconds."""

    run_s: float
    copies: tuple[Copy, ...]
    stage_s: float

    @property
    def move_s(self) -> float:
        return math.fsum(copy.move_s for copy in self.copies)

    @property
    def total_s(self) -> float:
        return math.fsum((self.run_s, self.move_s, self.stage_s))


def evaluate(
    table: CostTable, assignment: Assignment, *, order: Sequence[str] | None = None
) -> Breakdown:
    """Recompute what `assignment` costs when the nodes run in `order` (the table's by default).

    Raises AssignmentError when a node is left out, placed where it cannot run, or cut off from
    one of its inputs.
    """
    _check_complete(table, assignment)
    nodes = {node.name: node for node in table.nodes}
    run_s = math.fsum(nodes[name].run_s[assignment[name]] for name in nodes)
    start_s = {device.name: device.stage_s for device in table.machine.devices}
    started = _devices_started(assignment, tuple(nodes) if order is None else order)
    stage_s = math.fsum(start_s[name] for name in started)
    return Breakdown(run_s, tuple(_copies(table, assignment)), stage_s)


def _devices_started(assignment: Assignment, order: Sequence[str]) -> list[str]:
    placed = [assignment[name] for name in order]
    return [name for index, name in enumerate(placed) if index == 0 or placed[index - 1] != name]


def _copies(table: CostTable, assignment: Assignment) -> Iterable[Copy]:
    memory_of = {device.name: device.memory for device in table.machine.devices}
    moves = Moves(table)
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
            move_s = moves.time_s(value.name, source[value.name], memory)
            if math.isinf(move_s):
                raise AssignmentError(
                    f"value {value.name!r} cannot be moved from {source[value.name]} to {memory}",
                    fix="add a link between these memories to the cost table",
                )
            yield Copy(value.name, source[value.name], memory, move_s)


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

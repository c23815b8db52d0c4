"""Better schedules out of the best one known: HiGHS on what lies near it.

    incumbent   cpu acc.0 acc.0 acc.0 cpu acc.1 acc.1 acc.1
    near        borders move: a node may go where one of its neighbours in the order is
    windows     the nodes of a stretch of the order may go anywhere, the others only near

A program of so few candidates is solved in a moment, where the whole one takes minutes to come by a
schedule as good: where devices are alike, most of it are the same schedules under other names. That
is large neighbourhood search, in the manner of Shaw (CP 1998) and of Danna, Rothberg and Le Pape
(Math. Program. 102, 2005).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.solution import Assignment, meets
from stagecut.passes.partition.incumbent import Incumbent
from stagecut.passes.partition.milp.model import partition_program
from stagecut.passes.partition.milp.program import PartitionProgram
from stagecut.passes.partition.milp.solver import Point

#: How many nodes before and after count as neighbours.
_RADIUS = 4

#: The part of the order that a window is at first; and what becomes of it where it was too much.
_WINDOW, _LESS = 1 / 3, 3 / 4

#: The fewest nodes of a window that it is worth making smaller.
_FEWEST = 10

#: A round may take so much of the time that there is, and stops where it may gain no more than this
#: part of the total.
_ROUND, _FINE = 0.1, 1e-3

#: What a round must gain for a search to go on, as a part of the total.
_GAIN = 1e-4


class Neighbourhood:
    """The rounds of a search; `incumbent` has a schedule, and is offered the better ones.

    `left_s` tells how many seconds are left, and `goes_on` whether more is wanted. `bound` is what
    no schedule can go below.
    """

    def __init__(
        self,
        table: CostTable,
        objective: Objective,
        incumbent: Incumbent,
        bound: float,
        left_s: Callable[[], float],
        goes_on: Callable[[], bool],
    ) -> None:
        self._table = table
        self._objective = objective
        self._incumbent = incumbent
        self._bound = bound
        self._left_s = left_s
        self._wanted = goes_on
        self._most_s = left_s() * _ROUND
        self._names = [device.name for device in table.machine.devices]

    def search(self) -> None:
        """Until nothing is gained any more, or with the time."""
        gained = True
        while gained and self._goes_on():
            gained, _ = self._round(range(0))
        nodes = len(self._table.nodes)
        size, start, idle = ceil(nodes * _WINDOW), 0, 0
        while idle < nodes and self._goes_on():
            gained, finished = self._round(range(start, start + size))
            if not finished:
                size = max(min(_FEWEST, size), int(size * _LESS))
            step = max(1, size // 2)
            idle = 0 if gained else idle + step
            start += step
            if start >= nodes:
                start = -step

    def _goes_on(self) -> bool:
        if self._left_s() <= 0 or meets(self._incumbent.total, self._bound):
            return False
        return self._wanted()

    def _round(self, free: range) -> tuple[bool, bool]:
        """Whether the round has gained, and whether it came to its end."""
        before = self._incumbent.total
        left = self._left(free)
        built = partition_program(left, self._objective)

        def watch(point: Point | None, least: float) -> bool:
            del least  # of these candidates alone
            offer(self._table, self._incumbent, built, point)
            return self._wanted()

        limit_s = max(0.0, min(self._most_s, self._left_s()))
        outcome = built.program.solve(limit_s, gap=_FINE, watch=watch)
        offer(self._table, self._incumbent, built, outcome.point)
        return self._incumbent.total < before * (1 - _GAIN), outcome.solved

    def _left(self, free: range) -> CostTable:
        """The table with all candidates of the nodes in `free`, and the near ones of the others."""
        placed = [self._names[device] for device in self._incumbent.devices()]

        def left(at: int, node: NodeCosts) -> NodeCosts:
            if at in free:
                return node
            near = {*placed[max(0, at - _RADIUS) : at + _RADIUS + 1]}
            run_s = {name: time_s for name, time_s in node.run_s.items() if name in near}
            return replace(node, run_s=run_s)

        nodes = tuple(left(at, node) for at, node in enumerate(self._table.nodes))
        return replace(self._table, nodes=nodes)


def offer(
    table: CostTable, incumbent: Incumbent, built: PartitionProgram, point: Point | None
) -> None:
    """Let the incumbent have what a point of a program stands for, if there is one."""
    if point is not None:
        incumbent.offer(numbers(table, built.assignment(point)))


def numbers(table: CostTable, assignment: Assignment) -> Sequence[int]:
    """The device of each node, by their indices."""
    index = {device.name: at for at, device in enumerate(table.machine.devices)}
    return [index[assignment[node.name]] for node in table.nodes]

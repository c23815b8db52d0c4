"""Baseline: the published dynamic programming, which takes the graph for a chain.

Assembly-line scheduling over the nodes in order: the least price of having run the first i nodes
with the last of them on device d, for each d. All that is known of the past is where the last
node ran, so what a node writes is thought to be wanted by the next one and by nobody else:

    a -> b -> c    exact
    a ------> c    not seen: what a writes goes to b, and c gets it from nowhere

Optimal on chains, and only there. After Kim et al., ACM TODAES, doi 10.1145/3628599.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable, Moves, NodeCosts
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution, unproven


@dataclass(frozen=True, slots=True)
class Chain:
    objective: Objective = LATENCY

    def __call__(self, table: CostTable) -> Solution:
        """Raises UnplaceableError where missing links leave the chain no way on."""
        line = _Line(table, self.objective)
        reached = [_Reached(0.0)]
        for before, node in zip((None, *table.nodes), table.nodes, strict=False):
            reached = [
                min(line.run(node, device, before, last) for last in reached)
                for device in table.machine.devices
                if device.name in node.run_s
            ]
            if math.isinf(min(reached).price):
                raise UnplaceableError(
                    "none of its devices can be reached from those of the node before it",
                    where=f"node {node.name} ({node.op})",
                    fix="add a link to the cost table, or use --method optimal",
                )
        devices = reversed([*min(reached).devices()])
        names = (node.name for node in table.nodes)
        assignment = Assignment(dict(zip(names, devices, strict=True)))
        return unproven(table, assignment, "chain", self.objective)


@dataclass(frozen=True, slots=True)
class _Reached:
    """A way to have run some nodes: its price, the last node's device, and the way before."""

    price: float
    device: Device | None = None
    before: "_Reached | None" = None

    def __lt__(self, other: "_Reached") -> bool:
        return self.price < other.price

    def devices(self) -> Iterator[str]:
        """From the last node's to the first's."""
        way: _Reached | None = self
        while way is not None and way.device is not None:
            yield way.device.name
            way = way.before


class _Line:
    def __init__(self, table: CostTable, objective: Objective) -> None:
        self._objective = objective
        self._moves = Moves(table, objective)
        self._starts = {end.name: end.memory for end in table.inputs}
        self._ends: dict[str, list[str]] = {}
        for end in table.outputs:
            self._ends.setdefault(end.name, []).append(end.memory)
        self._read = {name for node in table.nodes for name in node.inputs}

    def run(
        self, node: NodeCosts, device: Device, before: NodeCosts | None, last: _Reached
    ) -> _Reached:
        """`node` on `device` after `before`, which ran as `last` says."""
        start_s = 0.0 if last.device is device else device.stage_s
        time_s, energy_j = node.run_s[device.name], node.run_j.get(device.name)
        price = self._objective.price(time_s + start_s, energy_j)
        moves = [*self._bound(node, device)]
        if before is not None and last.device is not None:
            written = filter(self._read.__contains__, before.outputs)
            moves += [(name, last.device.memory, device.memory) for name in written]
        copied = math.fsum(self._moves.price(*move) for move in moves)
        return _Reached(last.price + price + copied, device, last)

    def _bound(self, node: NodeCosts, device: Device) -> Iterator[tuple[str, str, str]]:
        """The moves of graph inputs and outputs, which are known whatever came before."""
        for name in dict.fromkeys(node.inputs):
            if name in self._starts:
                yield name, self._starts[name], device.memory
        for name in node.outputs:
            for memory in self._ends.get(name, ()):
                yield name, device.memory, memory

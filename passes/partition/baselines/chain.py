"""Baseline: the published dynamic programming, which takes the graph for a chain.

Assembly-line scheduling over the nodes in order: the least cost of having run the first i nodes
with the last of them on device d, for each d. The only state is where the last node ran, so that
whatever a node writes is taken to be read by the next node and by no other:

    a -> b -> c    exact
    a ------> c    not priced: the value of a is taken to go to b only

Optimal on chains without limits, and only there: of the ways to have run the first nodes, the
cheapest is kept for each device, even if it has used more of a memory or a budget than another; a
way that would exceed one is none. After Kim et al., ACM TODAES, doi 10.1145/3628599.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Assignment, Solution
from stagecut.passes.partition.baselines.bound import unproven
from stagecut.passes.partition.baselines.room import Room, Used
from stagecut.passes.partition.baselines.transfer_costs import TransferCosts


@dataclass(frozen=True, slots=True)
class Chain:
    objective: Objective = LATENCY

    def __call__(self, table: CostTable) -> Solution:
        """Raises UnplaceableError where missing links or full memories leave it no way on."""
        line = _Line(table, self.objective)
        reached = [_Reached(0.0)]
        for before, node in zip((None, *table.nodes), table.nodes, strict=False):
            able = [device for device in table.machine.devices if device.name in node.run_s]
            reached = [min(line.run(node, at, before, last) for last in reached) for at in able]
            if math.isinf(min(reached).price):
                raise UnplaceableError(
                    "none of its devices has room left and can be reached from those of the node "
                    "before it",
                    where=f"node {node.name} ({node.op})",
                    fix="raise a capacity, add a link, or use --method optimal",
                )
        devices = reversed([*min(reached).devices()])
        names = (node.name for node in table.nodes)
        assignment = Assignment(dict(zip(names, devices, strict=True)))
        return unproven(table, assignment, "chain", self.objective)


@dataclass(frozen=True, slots=True)
class _Reached:
    """The first nodes, assigned: what that costs, the last one's device, the nodes before it, and
    what they all use."""

    price: float
    device: Device | None = None
    before: "_Reached | None" = None
    used: Used = field(default_factory=dict)

    def __lt__(self, other: "_Reached") -> bool:
        return self.price < other.price

    def devices(self) -> Iterator[str]:
        """The device of each node, the last node's first."""
        reached: _Reached | None = self
        while reached is not None and reached.device is not None:
            yield reached.device.name
            reached = reached.before


class _Line:
    def __init__(self, table: CostTable, objective: Objective) -> None:
        self._objective = objective
        self._room = Room(table)
        self._transfers = TransferCosts(table, objective)
        self._starts = {end.name: end.memory for end in table.inputs}
        self._ends: dict[str, list[str]] = {}
        for end in table.outputs:
            self._ends.setdefault(end.name, []).append(end.memory)
        self._read = {name for node in table.nodes for name in node.inputs}

    def run(
        self, node: NodeCosts, device: Device, before: NodeCosts | None, last: _Reached
    ) -> _Reached:
        """`node` on `device` after `before`, which ran as `last` says; infinitely dear where there
        is no room for it."""
        used = self._room.with_node(last.used, node, device.name)
        if used is None:
            return _Reached(math.inf, device, last, last.used)
        start_s = 0.0 if last.device is device else device.stage_s
        time_s, energy_j = node.run_s[device.name], node.run_j.get(device.name)
        price = self._objective.price(time_s + start_s, energy_j)
        transfers = [*self._bound(node, device)]
        if before is not None and last.device is not None:
            written = filter(self._read.__contains__, before.outputs)
            transfers += [(name, last.device.memory, device.memory) for name in written]
        transferred = math.fsum(self._transfers.price(*transfer) for transfer in transfers)
        return _Reached(last.price + price + transferred, device, last, used)

    def _bound(self, node: NodeCosts, device: Device) -> Iterator[tuple[str, str, str]]:
        """Value, source and target of the transfers of graph inputs and outputs, which do not
        depend on the other nodes."""
        for name in dict.fromkeys(node.inputs):
            if name in self._starts:
                yield name, self._starts[name], device.memory
        for name in node.outputs:
            for memory in self._ends.get(name, ()):
                yield name, device.memory, memory

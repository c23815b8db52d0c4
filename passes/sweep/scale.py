"""A cost table in which one part of the costs is multiplied: a device, a route, or all transfers.

pim      every node's time on the device `pim`; what starting a stage takes stays as it is
host>pim every transfer along this route
transfers  every transfer

    a: cpu 3, pim 4    pim x 0.5    a: cpu 3, pim 2
"""

import math
from dataclasses import dataclass, replace

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.machine import Link, Route
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.schedule import Schedule, Transfer
from stagecut.compiler.ir.text import suggestion

#: The name of all transfers, as a part of the costs.
TRANSFERS = "transfers"


def check_summed(objective: Objective) -> None:
    """Raises UsageError where the total of a schedule is no sum of what its parts take: that of a
    stream is what the busiest of them takes."""
    if objective.streams:
        raise UsageError(
            "a sweep does not know the optimum of a stream",
            where=f"--objective {objective}",
            fix="sweep latency, or ask `stagecut partition --objective throughput` for each table",
        )


@dataclass(frozen=True, slots=True)
class Scale:
    """`part` is a device, a route, or `transfers`; a device that is called so goes first."""

    part: str

    def check(self, table: CostTable) -> None:
        """Raises UsageError where the table has no such part."""
        routes = {str(route) for value in table.values for route in value.transfer_s}
        routes |= {str(link.route) for link in table.machine.links}
        known = (*table.machine.device_named, TRANSFERS, *sorted(routes))
        if self.part not in known:
            raise UsageError(
                f"there is no device and no route {self.part!r}",
                where="--scale",
                fix=suggestion(self.part, known, f"there are {', '.join(known)}"),
            )

    def applied(self, table: CostTable, factor: float) -> CostTable:
        """The table with the times of the part multiplied by `factor`; energies stay."""
        if self.part in table.machine.device_named:
            nodes = tuple(self._node(node, factor) for node in table.nodes)
            return replace(table, nodes=nodes)
        links = tuple(self._link(link, factor) for link in table.machine.links)
        values = tuple(self._value(value, factor) for value in table.values)
        return replace(table, values=values, machine=replace(table.machine, links=links))

    def time_s(self, table: CostTable, schedule: Schedule) -> float:
        """What the part takes of a run of `schedule` by the costs of `table`."""
        if self.part in table.machine.device_named:
            return math.fsum(
                table.node_named[name].run_s[device]
                for name, device in schedule.device_of.items()
                if device == self.part
            )
        return math.fsum(
            self._transfer_s(table, step) for step in schedule.transfers if self._counts(step.route)
        )

    @staticmethod
    def _transfer_s(table: CostTable, step: Transfer) -> float:
        cost = table.transfer(step.value, step.route)
        if cost is None:
            raise AssertionError(f"{step.value} has no way along {step.route}")
        return cost.time_s

    def _counts(self, route: Route) -> bool:
        return self.part in {TRANSFERS, str(route)}

    def _node(self, node: NodeCosts, factor: float) -> NodeCosts:
        if self.part not in node.run_s:
            return node
        return replace(node, run_s={**node.run_s, self.part: factor * node.run_s[self.part]})

    def _value(self, value: ValueCosts, factor: float) -> ValueCosts:
        transfer_s = {
            route: factor * time_s if self._counts(route) else time_s
            for route, time_s in value.transfer_s.items()
        }
        return replace(value, transfer_s=transfer_s)

    def _link(self, link: Link, factor: float) -> Link:
        if not self._counts(link.route):
            return link
        rate = None if link.bytes_per_s is None else link.bytes_per_s / factor
        return replace(link, latency_s=factor * link.latency_s, bytes_per_s=rate)

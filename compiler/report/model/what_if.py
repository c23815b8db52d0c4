"""What the plan would cost with one node somewhere else, all others left where they are.

The nodes still run in the schedule's order; stages are cut where the device changes, and each value
is transferred into each memory that wants it, along the ways that it has:

    a on host, b(a) on pim, c(b) on host          b on host instead, too
    run a | a: host>pim | run b | b: pim>host | run c          run a, b, c

Equals the account of the schedule that is laid out anew, less the plan's. Only the node's own cost,
the transfers of the values that it touches and the starts of stages at its borders can change, so
that a question is answered without adding up the whole plan again.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.account import Account, bytes_in, sum_known
from stagecut.compiler.ir.costs import ENERGY, Cost, CostTable
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.transfers import table_router

#: A budget may be exceeded by so much, relative to its limit: that is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Delta:
    """The added time, negative where the plan would get faster.

    Infinite where there is no such plan; `refusal` says why.
    """

    extra_s: float
    refusal: str = ""


class WhatIf:
    """The added time of moving single nodes of one schedule, whose account is `account`.

    The objective says which chain of links a value takes where there is no direct route.
    """

    def __init__(
        self,
        table: CostTable,
        schedule: Schedule,
        account: Account,
        objective: Objective = LATENCY,
    ) -> None:
        self._table = table
        self._account = account
        self._router = table_router(table, objective)
        self._order = schedule.order
        self._position = {name: index for index, name in enumerate(schedule.order)}
        self._device_of = schedule.device_of
        self._memory_of = {device.name: device.memory for device in table.machine.devices}
        self._home = dict(self._homes())
        self._wanted = self._wanted_in()

    def delta(self, node: str, device: str) -> Delta:
        """What changes if `node` runs on `device`, which must be able to."""
        here = self._device_of[node]
        if device == here:
            return Delta(0.0)
        refusal = self._overflow(node, here, device)
        if refusal:
            return Delta(math.inf, refusal)
        after = self._share(node, device)
        if after is None:
            return Delta(math.inf, "no link leads to its memory and back")
        before = self._share(node, here) or []
        if self._takes_too_much_energy(before, after):
            return Delta(math.inf, "it would take more energy than is allowed")
        return Delta(_difference([cost.time_s for cost in before], [cost.time_s for cost in after]))

    def _homes(self) -> Iterator[tuple[str, str]]:
        """The memory in which each value lies first; a free value, which is wherever it is wanted,
        has none."""
        for end in self._table.inputs:
            yield end.name, end.memory
        for value, producer in self._table.producer.items():
            yield value, self._memory_of[self._device_of[producer]]

    def _wanted_in(self) -> Mapping[str, Counter[str]]:
        """How many nodes, and ends, want each value in each memory."""
        wanted = {value: Counter[str]() for value in self._table.numbered.value}
        for value, users in self._table.users.items():
            wanted[value].update(self._memory_of[self._device_of[user]] for user in users)
        for end in self._table.outputs:
            wanted[end.name][end.memory] += 1
        return wanted

    def _overflow(self, node: str, here: str, there: str) -> str:
        """Which memory or budget the node would exceed, as a sentence; energy is checked apart."""
        costs, uses = self._table.node_named[node], self._account.uses
        memory = self._table.machine.memory_named[self._memory_of[there]]
        more_bytes = costs.bytes_on(there)
        more_bytes -= costs.bytes_on(here) if self._memory_of[here] == memory.name else 0
        resident_bytes = uses.get(bytes_in(memory.name), 0.0) + more_bytes
        if memory.capacity_bytes is not None and resident_bytes > memory.capacity_bytes:
            return f"{memory.name} has no room for its weights"
        for budget in self._table.budgets:
            amounts = costs.uses.get(budget.name, {})
            used = uses.get(budget.name, 0.0) - amounts.get(here, 0.0) + amounts.get(there, 0.0)
            if budget.name != ENERGY and used > budget.limit * (1 + _ROUNDING):
                return f"it would take more {budget.name} than is allowed"
        return ""

    def _takes_too_much_energy(self, before: Iterable[Cost], after: Iterable[Cost]) -> bool:
        limit_j = next((b.limit for b in self._table.budgets if b.name == ENERGY), None)
        if limit_j is None:
            return False
        before_j, after_j = (
            sum_known([cost.energy_j for cost in part]) for part in (before, after)
        )
        total_j = self._account.energy_j
        if total_j is None or before_j is None or after_j is None:
            return True  # what is not known cannot be said to be within the limit
        return total_j - before_j + after_j > limit_j * (1 + _ROUNDING)

    def _share(self, node: str, device: str) -> list[Cost] | None:
        """All parts of the total that depend on where `node` runs, if it runs on `device`.

        None where no links lead to where a value is wanted.
        """
        parts = [self._table.run(node, device), *self._starts(node, device)]
        here, there = self._memory_of[self._device_of[node]], self._memory_of[device]
        costs = self._table.node_named[node]
        for value in dict.fromkeys(costs.inputs):
            wanted = self._wanted[value].copy()
            wanted[here] -= 1
            wanted[there] += 1
            transfers = self._transfers(value, self._home.get(value), wanted)
            if transfers is None:
                return None
            parts += transfers
        for value in costs.outputs:
            transfers = self._transfers(value, there, self._wanted[value])
            if transfers is None:
                return None
            parts += transfers
        return parts

    def _transfers(
        self, value: str, home: str | None, wanted: Mapping[str, int]
    ) -> list[Cost] | None:
        """The costs of a value's hops to all memories that want it, each hop once; None where no
        links lead to one."""
        if home is None:
            return []
        before = self._router(value, home)
        hops: dict[Route, None] = {}
        for memory, times in wanted.items():
            way = _way(before, home, memory) if times else []
            if way is None:
                return None
            hops.update(dict.fromkeys(way))
        costs = (self._table.transfer(value, hop) for hop in hops)
        return [cost for cost in costs if cost is not None]

    def _starts(self, node: str, device: str) -> Iterator[Cost]:
        """What starting this node's stage and the next node's costs, where these begin stages."""
        first = self._position[node]
        previous = self._device_of[self._order[first - 1]] if first else None
        following = self._order[first + 1 : first + 2]
        for before, at in ((previous, device), *((device, self._device_of[n]) for n in following)):
            if before != at:
                yield Cost(self._table.machine.device(at).stage_s, energy_j=0.0)


def _way(before: Mapping[str, str], home: str, memory: str) -> list[Route] | None:
    """The hops from `home` to `memory`, the last one first; None where nothing leads there."""
    hops: list[Route] = []
    while memory != home:
        if memory not in before:
            return None
        hops.append(Route(before[memory], memory))
        memory = before[memory]
    return hops


def _difference(before_s: list[float], after_s: list[float]) -> float:
    """`after_s` less `before_s`; nothing where they differ by rounding."""
    extra_s = math.fsum((*after_s, *(-time_s for time_s in before_s)))
    return 0.0 if abs(extra_s) <= 1e-12 * math.fsum(before_s) else extra_s

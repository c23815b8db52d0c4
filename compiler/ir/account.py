"""The one account of a schedule: what each step takes, and what that comes to.

latency = sum of run_s over the nodes
        + stage_s for every stage
        + transfer_s for every transfer
energy  = the same with run_j and transfer_j; starting a stage takes time only

On a machine where one thing happens at a time, latency is exactly this sum. Shares no code with the
solvers, so that it can tell when they are wrong.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

from stagecut.compiler.ir.amounts import Amount, Size
from stagecut.compiler.ir.costs import ENERGY, Cost, CostTable, NodeCosts
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError
from stagecut.compiler.ir.in_bulk import in_bulk
from stagecut.compiler.ir.machine import Basis, Route, combined
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.schedule import Run, Schedule, Transfer
from stagecut.compiler.ir.units import size_exactly


@dataclass(frozen=True, slots=True)
class StepAccount:
    """What one step costs: a stage, with its start (`start_s`) in `time_s`, or a transfer of
    `size_bytes`.

    `energy_j` is None where not all of it is known.
    """

    time_s: Amount
    basis: Basis
    energy_j: Amount | None = None
    start_s: Amount = 0.0
    size_bytes: Size = 0


@dataclass(frozen=True, slots=True)
class Account:
    """What a schedule costs. `steps` has an entry for each of its steps.

    `busy_s` is how long each resource is busy in one run, by name; routes are written
    `source>target`. `uses` is how much of each budget is used: of the table's own, and
    `bytes in MEMORY` for the weights that lie in each memory.
    """

    steps: tuple[StepAccount, ...]
    latency_s: Amount
    energy_j: Amount | None
    basis: Basis
    busy_s: Mapping[str, Amount]
    uses: Mapping[str, Amount]

    @property
    def start_s(self) -> float:
        """What starting stages takes of the latency."""
        return math.fsum(step.start_s for step in self.steps)

    def total(self, objective: Objective) -> float:
        """In the objective's unit; an energy that has a price must be known."""
        return objective.price(self.latency_s, self.energy_j)


#: What StepAccount has, in its order: what a schedule has many of is made of it in bulk.
_Line: TypeAlias = tuple[float, Basis, float | None, float, int]

#: How many lines at a time: few enough for a processor's caches.
_AT_A_TIME = 10_000


def account(table: CostTable, schedule: Schedule) -> Account:
    """Recompute what `schedule` costs from the table's definition.

    Raises AssignmentError when a node is left out, runs twice or where it cannot, or when a budget
    or a memory overflows; ScheduleError when a step reads what is not there.
    """
    found = account_beyond_budgets(table, schedule)
    check_budgets(table, found.uses)
    return found


def account_beyond_budgets(table: CostTable, schedule: Schedule) -> Account:
    """As `account`, whatever it uses of budgets: memories alone may not overflow."""
    ledger = _Ledger(table, schedule, _nodes_in_order(table, schedule))
    lines = ledger.lines()
    steps: list[StepAccount] = []
    while some := [*islice(lines, _AT_A_TIME)]:
        steps += _steps(some)
    ledger.check_ends()
    energy_j = sum_known([step.energy_j for step in steps])
    uses = {**ledger.uses, **({} if energy_j is None else {ENERGY: energy_j})}
    _check_memories(table, uses)
    return Account(
        steps=tuple(steps),
        latency_s=math.fsum(step.time_s for step in steps),
        energy_j=energy_j,
        basis=combined(step.basis for step in steps),
        busy_s=ledger.busy_s,
        uses=uses,
    )


def sum_known(parts: Sequence[float | None]) -> float | None:
    """Their sum; None as soon as one of them is not known."""
    return None if None in parts else math.fsum(cast("list[float]", parts))


def _steps(lines: Sequence[_Line]) -> list[StepAccount]:
    time_s, basis, energy_j, start_s, size_bytes = zip(*lines, strict=True)
    return in_bulk(
        StepAccount,
        len(lines),
        time_s=time_s,
        basis=basis,
        energy_j=energy_j,
        start_s=start_s,
        size_bytes=size_bytes,
    )


class _Ledger:
    """Follows the values from memory to memory, step by step."""

    def __init__(self, table: CostTable, schedule: Schedule, nodes: Sequence[NodeCosts]) -> None:
        """`nodes` are in the order in which they run."""
        self._table = table
        self._schedule = schedule
        self._nodes = nodes
        placed = partial(zip, nodes, schedule.devices, strict=True)
        self._times_s = [node.run_s[device] for node, device in placed()]
        # Of what no node has, nothing is looked up: there may be a million.
        self._energies_j = (
            [node.run_j.get(device) for node, device in placed()]
            if any(node.run_j for node in nodes)
            else None
        )
        self._sizes_bytes = (
            [node.resident_bytes.get(device, node.weight_bytes) for node, device in placed()]
            if any(node.weight_bytes or node.resident_bytes for node in nodes)
            else None
        )
        #: How many of them have run.
        self._ran = 0
        self._inputs = {end.name for end in table.inputs}
        #: What lies in each memory.
        self._present: dict[str, set[str]] = {name: set() for name in table.machine.memory_named}
        for end in table.inputs:
            self._present[end.memory].add(end.name)
        #: By device: itself, what lies in its memory, and what it keeps busy.
        self._devices = {
            device.name: (device, self._present[device.memory], device.keeps_busy)
            for device in table.machine.devices
        }
        self._room = {name: bytes_in(name) for name in table.machine.memory_named}
        #: The name of each route as a resource.
        self._ways: dict[Route, str] = {}
        #: What transfers cost by the links alone, by route and size.
        self._linked: dict[tuple[Route, int], Cost | None] = {}
        self.busy_s: dict[str, float] = {}
        self.uses: dict[str, float] = {
            budget.name: 0.0 for budget in table.budgets if budget.name != ENERGY
        }
        for node, device in placed() if self.uses else ():
            for budget, used in node.uses.items():
                self.uses[budget] += used.get(device, 0.0)
        self.uses |= dict.fromkeys(self._room.values(), 0.0)

    def lines(self) -> Iterator[_Line]:
        for step in self._schedule.steps:
            yield self._run(step) if isinstance(step, Run) else self._transfer(step)

    def _run(self, step: Run) -> _Line:
        stage = self._schedule.stages[step.stage]
        device, here, resource = self._devices[stage.device]
        first, self._ran = self._ran, self._ran + len(stage.nodes)
        these = slice(first, self._ran)
        for node in self._nodes[these]:
            if not here.issuperset(node.inputs):
                self._check_reads(node, step.stage, here, device.memory)
            here.update(node.outputs)
        if self._sizes_bytes:
            self.uses[self._room[device.memory]] += sum(self._sizes_bytes[these])
        time_s = math.fsum([device.stage_s, *self._times_s[these]])
        self._keep_busy(resource, time_s)
        energy_j = sum_known(self._energies_j[these]) if self._energies_j else None
        return time_s, device.basis, energy_j, device.stage_s, 0

    def _check_reads(
        self, node: NodeCosts, stage: int, here: AbstractSet[str], memory: str
    ) -> None:
        for value in node.inputs:
            if value not in here and self._is_bound(value):
                raise ScheduleError(
                    f"reads {value!r}, which is not in {memory} when it runs",
                    where=f"node {node.name} in stage {stage}",
                    fix="transfer it there first, or run its producer before",
                )

    def _is_bound(self, value: str) -> bool:
        """Whether it is somewhere, not wherever it is wanted."""
        return value in self._inputs or bool(self._written[self._table.numbered.value[value]])

    @cached_property
    def _written(self) -> npt.NDArray[np.bool_]:
        """Whether a node writes each value."""
        return self._table.numbered.writer >= 0

    def _transfer(self, step: Transfer) -> _Line:
        value, route = step.value, step.route
        size_bytes, cost = self._cost(value, route)
        if value not in self._present[route.source]:
            raise ScheduleError(
                f"is not in {route.source} when it is transferred from there",
                where=f"value {value}",
                fix="transfer it after it has been written, from where it is",
            )
        self._present[route.target].add(value)
        self._keep_busy(self._ways.get(route) or self._way(route), cost.time_s)
        return cost.time_s, cost.basis, cost.energy_j, 0.0, size_bytes

    def _way(self, route: Route) -> str:
        return self._ways.setdefault(route, str(route))

    def _cost(self, value: str, route: Route) -> tuple[int, Cost]:
        """The size of a value, and what transferring it costs."""
        at = self._table.numbered.value.get(value)
        costs = None if at is None else self._table.values[at]
        cost = None
        if costs is not None and (costs.transfer_s or costs.transfer_j or costs.transfer_spread):
            cost = self._table.transfer(value, route)
        elif costs is not None:  # by the links, as every value of its size
            key = (route, costs.size_bytes)
            cost = self._linked.get(key) or self._table.transfer(value, route)
            self._linked[key] = cost
        if costs is None or cost is None:
            raise ScheduleError(
                f"there is no direct way from {route.source} to {route.target}",
                where=f"value {value}",
                fix="go by way of another memory, or add a link to the cost table",
            )
        return costs.size_bytes, cost

    def _keep_busy(self, resource: str, time_s: float) -> None:
        self.busy_s[resource] = self.busy_s.get(resource, 0.0) + time_s

    def check_ends(self) -> None:
        for end in self._table.outputs:
            if end.name not in self._present[end.memory] and self._is_bound(end.name):
                raise ScheduleError(
                    f"must end in {end.memory}, and never gets there",
                    where=f"value {end.name}",
                    fix="transfer it there",
                )


def _nodes_in_order(table: CostTable, schedule: Schedule) -> Sequence[NodeCosts]:
    """The nodes in the order in which they run. Nothing is looked up where that is the table's own.

    Raises AssignmentError unless each of the table's runs, and where it can; ScheduleError for one
    that runs twice.
    """
    if schedule.order == tuple([node.name for node in table.nodes]):
        placed = zip(schedule.devices, table.nodes, strict=True)
        if all(device in node.run_s for device, node in placed):
            return table.nodes
    check_assignment(table, schedule.device_of)
    if len(schedule.order) > len(table.nodes):
        twice = next(name for name in schedule.order if schedule.order.count(name) > 1)
        raise ScheduleError("runs twice", where=f"node {twice}", fix="run every node once")
    return [table.node_named[name] for name in schedule.order]


def bytes_in(memory: str) -> str:
    """The name under which an account has the weights of a memory."""
    return f"bytes in {memory}"


def check_assignment(table: CostTable, device_of: Mapping[str, str]) -> None:
    """Raises AssignmentError unless every node has a device that can run it, and no other has."""
    devices = [device_of.get(node.name) for node in table.nodes]
    able = (device in node.run_s for device, node in zip(devices, table.nodes, strict=True))
    if len(device_of) == len(table.nodes) and all(able):
        return
    for node in table.nodes:
        device = device_of.get(node.name)
        if device is None:
            raise AssignmentError("is not assigned to any device", where=f"node {node.name}")
        if device not in node.run_s:
            raise AssignmentError(
                f"is assigned to {device}, which cannot run it",
                where=f"node {node.name} ({node.op})",
                fix=f"it can run on {', '.join(node.run_s)}",
            )
    for name in device_of:
        if name not in table.node_named:
            raise AssignmentError("the cost table has no such node", where=f"node {name}")


def _check_memories(table: CostTable, uses: Mapping[str, float]) -> None:
    for memory in table.machine.memories:
        resident = round(uses[bytes_in(memory.name)])
        if memory.capacity_bytes is not None and resident > memory.capacity_bytes:
            over = resident - memory.capacity_bytes
            raise AssignmentError(
                f"holds {size_exactly(resident)} of weights, {size_exactly(over)} more than fit",
                where=f"memory {memory.name}",
                fix="let some of its nodes run elsewhere",
            )


def check_budgets(table: CostTable, uses: Mapping[str, float]) -> None:
    """Raises AssignmentError for the first budget of which more is used than there is, and
    CostTableError where energies are limited and not known."""
    for budget in table.budgets:
        if budget.name not in uses:  # energies that are not known
            table.require_energy()
        elif uses[budget.name] > budget.limit * (1 + 1e-9):
            raise AssignmentError(
                f"is {uses[budget.name]:.6g}, more than the {budget.limit:.6g} that are allowed",
                where=f"budget {budget.name}",
                fix="let some nodes run elsewhere, or raise the limit",
            )

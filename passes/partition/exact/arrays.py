"""A cost table as arrays: nodes, places, values and who reads what, by index.

A *place* is a set of devices that are interchangeable but for a node's own cost: they share a
memory, cost nothing to start, and use budgets alike. Each node takes the cheapest device of a
place, the earlier one in a tie, so what remains to be decided is the place. Any other device is a
place of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, permutations
from operator import itemgetter
from typing import TypeVar

import numpy as np

from stagecut.compiler.ir.costs import ENERGY, CostTable, Endpoint
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.partition.exact.equal_columns import distinct
from stagecut.passes.partition.exact.factor_graph import Bools, Floats, Ints

Key = TypeVar("Key", str, Route)

#: The most transfers that may be chosen from: of every value, from every memory to every other.
_MOST_TRANSFERS = 50_000_000


@dataclass(frozen=True)
class TableArrays:
    """N nodes in the table's order and I bound inputs; P places; V values; M memories; R reads;
    B budgets that may be exceeded.

    memory (P,)       the memory of each place; the last M places are bare memories, for inputs
    cost (N, D)       a node's cost on each of D devices, infinite where it cannot run
    place (D,)        the place of each device
    run (N + I, P)    a node's least cost in a place; an input is free in its only one
    device (N, P)     the device that has it
    start (P,)        what starting a stage in a place costs
    transfer (V, M, M)  what transferring a value from memory to memory costs, stops included;
                      infinite where no chain of links leads there
    before (V, M, M)  the last stop before the target; the source where the route is direct
    producer (V,)     the row of `run` that writes a value; -1 where it is free
    wanted (V, M)     whether a value must end in a memory
    reads (2, R)      value and node of each read, sorted, each pair once
    limits (B,)       of each budget
    uses (B, N, P)    what a node uses of each budget in a place
    transfer_uses (B, V, M, M)  what transfers use; None where they use nothing
    """

    memory: Ints
    cost: Floats
    place: Ints
    run: Floats
    device: Ints
    start: Floats
    transfer: Floats
    before: Ints
    producer: Ints
    wanted: Bools
    reads: Ints
    limits: Floats
    uses: Floats
    transfer_uses: Floats | None

    @cached_property
    def nodes(self) -> int:
        return len(self.device)

    @cached_property
    def edges(self) -> Ints:
        """(2, E): producer and reader of each pair of nodes that pass a value on, each once."""
        value, reader = self.reads
        producer = self.producer[value]
        inner = (producer >= 0) & (producer < self.nodes)
        keys = distinct(producer[inner] * self.nodes + reader[inner])
        return np.array(np.divmod(keys, max(self.nodes, 1)))


def table_arrays(table: CostTable, objective: Objective) -> TableArrays:
    """Raises CostTableError when the objective needs an energy that the table does not have, and
    where it has too many values for its memories."""
    _check_size(table)
    budgets = _budgets(table)
    if objective.per_j or ENERGY in budgets:
        table.require_energy()
    memories = {memory.name: index for index, memory in enumerate(table.machine.memories)}
    devices = table.machine.devices
    place = _places(table, objective, budgets)
    homes = [devices[first] for first in np.unique(place, return_index=True)[1]]
    cost = _node_costs(table, objective)
    run, device = _by_place(cost, place)
    begin = [len(homes) + memories[end.memory] for end in table.inputs]
    wanted = np.zeros((len(table.values), len(memories)), dtype=np.bool_)
    wanted[_at(table, table.outputs), [memories[end.memory] for end in table.outputs]] = True
    start_s = [home.stage_s for home in homes] + [0.0] * len(memories)
    transfer, before, transfer_j = _transfers(table, objective, needs_energy=ENERGY in budgets)
    return TableArrays(
        memory=np.array([*(memories[home.memory] for home in homes), *range(len(memories))]),
        cost=cost,
        place=place,
        run=_with_inputs(run, begin, len(memories)),
        device=device,
        start=objective.per_s * np.array(start_s),
        transfer=transfer,
        before=before,
        producer=producers(table),
        wanted=wanted,
        reads=reads(table),
        limits=np.array([*budgets.values()], dtype=np.float64),
        uses=_uses(table, list(budgets), place, len(start_s)),
        transfer_uses=_transfer_uses(list(budgets), transfer_j),
    )


def _check_size(table: CostTable) -> None:
    memories, values = len(table.machine.memories), len(table.values)
    if values * memories**2 > _MOST_TRANSFERS:
        raise CostTableError(
            f"{values} values between {memories} memories are {values * memories**2} transfers to "
            "choose from, more than fit into memory",
            where="memories",
            fix=f"leave out memories, or cut the graph: there may be {_MOST_TRANSFERS}",
        )


def _budgets(table: CostTable) -> dict[str, float]:
    """Name -> limit: the bytes of memories that may fill, then the table's own budgets."""
    rooms = {
        f"{memory.name}": float(memory.capacity_bytes)
        for memory in table.machine.memories
        if memory.capacity_bytes is not None
    }
    own = {budget.name: budget.limit for budget in table.budgets}
    return {f"bytes in {name}": room for name, room in rooms.items()} | own


def _at(table: CostTable, ends: Sequence[Endpoint]) -> list[int]:
    return [table.numbered.value[end.name] for end in ends]


def _with_inputs(run: Floats, begin: Sequence[int], memories: int) -> Floats:
    """Add a row for each input, free in the place where it begins, and M places for them."""
    nodes, places = run.shape
    padded = np.full((nodes + len(begin), places + memories), np.inf)
    padded[:nodes, :places] = run
    padded[nodes + np.arange(len(begin)), begin] = 0.0
    return padded


def producers(table: CostTable) -> Ints:
    """(V,): the node that writes each value; N or more for an input, -1 for what is free."""
    producer = table.numbered.writer
    inputs = _at(table, table.inputs)
    producer[inputs] = len(table.nodes) + np.arange(len(inputs))
    return producer


def reads(table: CostTable) -> Ints:
    """(2, R): value and node of every reading, each pair once."""
    node, value = table.numbered.reads
    keys = distinct(value * len(table.nodes) + node)
    return np.array(np.divmod(keys, max(len(table.nodes), 1)))


def _places(table: CostTable, objective: Objective, budgets: Mapping[str, float]) -> Ints:
    """(D,): places are numbered in the order of their first devices."""
    apart = {
        device.name for device in table.machine.devices if objective.per_s * device.stage_s > 0
    }
    if budgets:
        apart |= {name for node in table.nodes for name in node.resident_bytes}
        apart |= {name for node in table.nodes for uses in node.uses.values() for name in uses}
    if ENERGY in budgets:
        apart |= set(table.machine.device_named)
    keys = [
        (device.memory, device.name if device.name in apart else "")
        for device in table.machine.devices
    ]
    places = list(dict.fromkeys(keys))
    return np.array([places.index(key) for key in keys])


def _uses(table: CostTable, budgets: Sequence[str], place: Ints, places: int) -> Floats:
    uses = np.zeros((len(budgets), len(table.nodes), places))
    for device, at in zip(table.machine.devices, place, strict=True):
        name = device.name
        for index, budget in enumerate(budgets):
            if budget == f"bytes in {device.memory}":
                uses[index, :, at] = [node.bytes_on(name) for node in table.nodes]
            elif budget == ENERGY:
                uses[index, :, at] = [node.run_j.get(name, 0.0) for node in table.nodes]
            elif not budget.startswith("bytes in "):
                uses[index, :, at] = [
                    node.uses.get(budget, {}).get(name, 0.0) for node in table.nodes
                ]
    return uses


def _transfer_uses(budgets: Sequence[str], transfer_j: Floats | None) -> Floats | None:
    if transfer_j is None:
        return None
    uses = np.zeros((len(budgets), *transfer_j.shape))
    uses[budgets.index(ENERGY)] = transfer_j
    return uses


def _by_place(cost: Floats, place: Ints) -> tuple[Floats, Ints]:
    """(N, P) twice: the least cost in each place, and the device that has it."""
    groups = [np.flatnonzero(place == each) for each in np.unique(place)]
    device = np.stack([group[cost[:, group].argmin(axis=1)] for group in groups], axis=1)
    return np.take_along_axis(cost, device, axis=1), device


def _node_costs(table: CostTable, objective: Objective) -> Floats:
    """(N, D): infinite where a node cannot run."""
    names = [device.name for device in table.machine.devices]
    cost = objective.per_s * _read([node.run_s for node in table.nodes], names)
    if objective.per_j:
        cost += objective.per_j * _read([node.run_j for node in table.nodes], names)
    return np.where(np.isnan(cost), np.inf, cost)


def _transfers(
    table: CostTable, objective: Objective, *, needs_energy: bool
) -> tuple[Floats, Ints, Floats | None]:
    """(V, M, M) each: what transfers cost, their last stops, and their joules for the budget."""
    names = [memory.name for memory in table.machine.memories]
    routes = [Route(*pair) for pair in permutations(names, 2)]
    ends = np.array([*permutations(range(len(names)), 2)], dtype=np.int64).reshape(-1, 2).T
    size_bytes = np.array([value.size_bytes for value in table.values], dtype=np.float64)
    time_s = _read([value.transfer_s for value in table.values], routes)
    for at, route in enumerate(routes):
        links_s = [
            link.latency_s + size_bytes / link.bytes_per_s
            for link in table.machine.links_on.get(route, ())
            if link.bytes_per_s is not None
        ]
        if links_s:
            own = time_s[:, at]
            time_s[:, at] = np.where(np.isnan(own), np.min(links_s, axis=0), own)
    cost = objective.per_s * time_s
    energy_j = None
    if objective.per_j or needs_energy:
        energy_j = _read([value.transfer_j for value in table.values], routes)
        cost += objective.per_j * energy_j if objective.per_j else 0.0
    shape = (len(table.values), len(names), len(names))
    direct = np.zeros(shape)
    direct[:, ends[0], ends[1]] = np.where(np.isnan(cost), np.inf, cost)
    chained, before = _chained(direct)
    if energy_j is None or not needs_energy:
        return chained, before, None
    joules = np.zeros(shape)
    joules[:, ends[0], ends[1]] = np.nan_to_num(energy_j)
    return chained, before, _along(joules, before)


def _read(costs: Sequence[Mapping[Key, float]], keys: Sequence[Key]) -> Floats:
    """(costs, keys): each mapping's entry for each key, NaN where it has none."""
    if not keys or not any(costs):
        return np.full((len(costs), len(keys)), math.nan)
    count = len(costs) * len(keys)
    try:
        if len(keys) == 1:
            found = np.fromiter(map(itemgetter(keys[0]), costs), np.float64, count)
        else:
            rows = chain.from_iterable(map(itemgetter(*keys), costs))
            found = np.fromiter(rows, np.float64, count)
    except KeyError:
        columns = [[each.get(key, math.nan) for each in costs] for key in keys]
        return np.ascontiguousarray(np.array(columns, dtype=np.float64).T)
    return found.reshape(len(costs), len(keys))


def _chained(direct: Floats) -> tuple[Floats, Ints]:
    """(V, M, M) twice: the cost of the direct route where there is one, else of the cheapest chain
    of direct routes; and the last stop before the target.

    A stop is itself reached as `before` says, so that all chains from one memory form a tree.
    """
    memories = direct.shape[1]
    straight = np.broadcast_to(np.arange(memories)[:, None], direct.shape)
    missing = np.isinf(direct)
    if not missing.any():
        return direct, straight
    cost, before = direct.copy(), straight.copy()
    for _ in range(memories - 2):
        known = cost
        for via in range(memories):
            through = cost[:, :, via, None] + direct[:, None, via, :]
            better = missing & (through < cost)
            cost = np.where(better, through, cost)
            before = np.where(better, via, before)
        if (cost == known).all():
            break
    return cost, before


def _along(step: Floats, before: Ints) -> Floats:
    """(V, M, M): the sum of `step` over the direct routes of each chain."""
    memories = step.shape[1]
    value, source = np.ogrid[: step.shape[0], :memories]
    total = np.zeros_like(step)
    at = np.broadcast_to(np.arange(memories), step.shape).copy()
    for _ in range(memories):
        last = before[value[..., None], source[..., None], at]
        total += step[value[..., None], last, at]
        at = np.where(last == source[..., None], source[..., None], last)
    return total

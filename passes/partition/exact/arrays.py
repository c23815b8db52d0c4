"""A cost table as arrays: nodes, places, values and who reads what, by index.

A *place* is a set of devices that are interchangeable but for a node's own time: they share a
memory and cost nothing to start. Each node takes the fastest device of a place, the earlier one
in a tie, so what remains to be decided is the place. A device that costs something to start, or
whose weights take room of their own in a memory that can fill up, is a place of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stagecut.compiler.ir.costs import CostTable, Endpoint
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.partition.exact.cost_arrays import move_prices, node_prices
from stagecut.passes.partition.exact.factor_graph import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Columns:
    """N nodes in the table's order and I bound inputs; P places; V values; M memories; R reads.

    memory (P,)     the memory of each place; the last M places are bare memories, for inputs
    price (N, D)    a node's cost on each of D devices, infinite where it cannot run
    place (D,)      the place of each device
    weights (N, P)  the bytes that a node's weights take in a place
    run (N + I, P)  a node's least cost in a place; an input is free in its only one
    device (N, P)   the device that has it
    start (P,)      what starting a stage in a place costs
    move (V, M, M)  a value's cost from memory to memory, infinite where no way leads
    producer (V,)   the row of `run` that writes a value; -1 where it is free
    wanted (V, M)   whether a value must end in a memory
    reads (2, R)    value and node of each read, sorted, each pair once
    """

    memory: Ints
    price: Floats
    place: Ints
    weights: Floats
    run: Floats
    device: Ints
    start: Floats
    move: Floats
    producer: Ints
    wanted: Bools
    reads: Ints


def columns(table: CostTable, objective: Objective) -> Columns:
    memories = {memory.name: index for index, memory in enumerate(table.machine.memories)}
    values = {value.name: index for index, value in enumerate(table.values)}
    devices = table.machine.devices
    place = _place_of(table, objective)
    homes = [devices[first] for first in np.unique(place, return_index=True)[1]]
    price = node_prices(table, objective)
    run, device = _by_place(price, place)
    begin = [len(homes) + memories[end.memory] for end in table.inputs]
    wanted = np.zeros((len(values), len(memories)), dtype=np.bool_)
    wanted[_at(values, table.outputs), [memories[end.memory] for end in table.outputs]] = True
    start_s = [home.stage_s for home in homes] + [0.0] * len(memories)
    return Columns(
        memory=np.array([*(memories[home.memory] for home in homes), *range(len(memories))]),
        price=price,
        place=place,
        weights=_weights(table, place, len(start_s)),
        run=_with_inputs(run, begin, len(memories)),
        device=device,
        start=objective.per_s * np.array(start_s),
        move=move_prices(table, objective),
        producer=_producers(table, values),
        wanted=wanted,
        reads=_reads(table, values),
    )


def _at(values: Mapping[str, int], ends: Sequence[Endpoint]) -> list[int]:
    return [values[end.name] for end in ends]


def _with_inputs(run: Floats, begin: Sequence[int], memories: int) -> Floats:
    """Add a row for each input, free in the place where it begins, and M places for them."""
    nodes, places = run.shape
    padded = np.full((nodes + len(begin), places + memories), np.inf)
    padded[:nodes, :places] = run
    padded[nodes + np.arange(len(begin)), begin] = 0.0
    return padded


def _producers(table: CostTable, values: Mapping[str, int]) -> Ints:
    producer = np.full(len(values), -1)
    node, value = _named(values, [node.outputs for node in table.nodes])
    producer[value] = node
    producer[_at(values, table.inputs)] = len(table.nodes) + np.arange(len(table.inputs))
    return producer


def _reads(table: CostTable, values: Mapping[str, int]) -> Ints:
    node, value = _named(values, [node.inputs for node in table.nodes])
    keys = np.unique(value * len(table.nodes) + node)
    return np.array(np.divmod(keys, max(len(table.nodes), 1)))


def _place_of(table: CostTable, objective: Objective) -> Ints:
    """(D,): places are numbered in the order of their first devices."""
    limited = {m.name for m in table.machine.memories if m.capacity_bytes is not None}
    special = {name for node in table.nodes for name in node.held_bytes}
    keys = [
        (device.memory, device.name)
        if objective.per_s * device.stage_s > 0
        or (device.memory in limited and device.name in special)
        else (device.memory, "")
        for device in table.machine.devices
    ]
    places = list(dict.fromkeys(keys))
    return np.array([places.index(key) for key in keys])


def _weights(table: CostTable, place: Ints, places: int) -> Floats:
    weights = np.zeros((len(table.nodes), places))
    for device, index in zip(table.machine.devices, place, strict=True):
        weights[:, index] = [node.bytes_on(device.name) for node in table.nodes]
    return weights


def _by_place(price: Floats, place: Ints) -> tuple[Floats, Ints]:
    """(N, P) twice: the least cost in each place, and the device that has it."""
    groups = [np.flatnonzero(place == each) for each in np.unique(place)]
    device = np.stack([group[price[:, group].argmin(axis=1)] for group in groups], axis=1)
    return np.take_along_axis(price, device, axis=1), device


def _named(values: Mapping[str, int], names: Sequence[Sequence[str]]) -> tuple[Ints, Ints]:
    """Node and value of every name; `names` has one sequence for each node."""
    counts = np.fromiter(map(len, names), dtype=np.int64)
    value = np.fromiter((values[name] for each in names for name in each), dtype=np.int64)
    return np.repeat(np.arange(len(names)), counts), value

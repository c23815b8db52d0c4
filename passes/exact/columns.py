"""A cost table as arrays: nodes, places, values and who reads what, by index.

A *place* is a set of devices that are interchangeable but for a node's own time: they share a
memory and cost nothing to start. Each node takes the fastest device of a place, the earlier one
in a tie, so what remains to be decided is the place. A device that costs something to start is a
place of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stagecut.compiler.costs import CostTable, Endpoint
from stagecut.compiler.machine import Machine
from stagecut.compiler.prices import Objective
from stagecut.passes.exact.factor_graph import Bools, Floats, Ints
from stagecut.passes.exact.priced import move_prices, node_prices


@dataclass(frozen=True, slots=True)
class Columns:
    """N nodes in the table's order and I bound inputs; P places; V values; M memories; R reads.

    memory (P,)     the memory of each place; the last M places are bare memories, for inputs
    run (N + I, P)  a node's cost in a place, infinite where it cannot run; an input has one place
    device (N, P)   the device that the node then runs on
    start (P,)      what starting a stage in a place costs
    move (V, M, M)  a value's cost from memory to memory, infinite where no way leads
    producer (V,)   the row of `run` that writes a value; -1 where it is free
    wanted (V, M)   whether a value must end in a memory
    reads (2, R)    value and node of each read, sorted, each pair once
    """

    memory: Ints
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
    places = _places(table.machine, objective)
    start_s = np.array([devices[place[0]].stage_s for place in places] + [0.0] * len(memories))
    homes = [memories[devices[place[0]].memory] for place in places]
    run, device = _by_place(node_prices(table, objective), places)
    begin = [len(places) + memories[end.memory] for end in table.inputs]
    wanted = np.zeros((len(values), len(memories)), dtype=np.bool_)
    wanted[_at(values, table.outputs), [memories[end.memory] for end in table.outputs]] = True
    return Columns(
        memory=np.array([*homes, *range(len(memories))]),
        run=_with_inputs(run, begin, len(memories)),
        device=device,
        start=objective.per_s * start_s,
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


def _places(machine: Machine, objective: Objective) -> list[list[int]]:
    """The devices of each place, by index."""
    places: dict[str | tuple[str, str], list[int]] = {}
    for index, device in enumerate(machine.devices):
        starts = objective.per_s * device.stage_s > 0
        key = (device.memory, device.name) if starts else device.memory
        places.setdefault(key, []).append(index)
    return list(places.values())


def _by_place(run: Floats, places: Sequence[Sequence[int]]) -> tuple[Floats, Ints]:
    """(N, P) twice: the least cost in each place, and the device that has it."""
    nodes = np.arange(len(run))
    least = np.empty((len(run), len(places)))
    device = np.empty((len(run), len(places)), dtype=np.int64)
    for index, place in enumerate(places):
        device[:, index] = np.array(place)[run[:, list(place)].argmin(axis=1)]
        least[:, index] = run[nodes, device[:, index]]
    return least, device


def _named(values: Mapping[str, int], names: Sequence[Sequence[str]]) -> tuple[Ints, Ints]:
    """Node and value of every name; `names` has one sequence for each node."""
    counts = np.fromiter(map(len, names), dtype=np.int64)
    value = np.fromiter((values[name] for each in names for name in each), dtype=np.int64)
    return np.repeat(np.arange(len(names)), counts), value

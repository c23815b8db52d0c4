"""States that stay in the memory of the device that reads them, from one run to the next.

A decode step reads what the sequence holds, `past`, and adds the rows of its tokens, `present`:

    past in pim        no transfer: it lies there            past in host    as any other input
    present in pim     the new rows are transferred there    present in host

So `past` is wherever its one reader runs, and `present`, which the reader joins to it, is needed
nowhere else. A whole sequence, up to its capacity, counts as what the reader holds in the memory.
Prefill hands the rows of its prompt over to where decode reads them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts
from stagecut.compiler.ir.device import LinkDriver
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.machine import HOST, Machine, Route
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.state import State


@dataclass(frozen=True, slots=True)
class Residents:
    """Of an entry: `states` are those that it reads, of which a sequence holds `capacity` rows;
    `ends` are outputs that have to be in a memory other than the host's, by name."""

    states: tuple[State, ...] = ()
    capacity: int = 0
    ends: Mapping[str, str] = field(default_factory=dict)

    def priced(self, table: CostTable, drivers: Iterable[LinkDriver]) -> CostTable:
        """The table with states that lie where they are read, and with other `ends`."""
        links = {Route(driver.source, driver.target): driver for driver in drivers}
        lying = [*self._lying(table)]
        readers = {name: node for node, state in lying for name in _names(state)}
        rows: dict[tuple[tuple[int, ...], str, str], int] = {}
        held: dict[str, dict[str, int]] = {}
        for node, state in lying:
            of_node = held.setdefault(node, {})
            for memory in _memories(table, node):
                row = state.row, state.dtype, memory
                if row not in rows:
                    rows[row] = _row_bytes(state, links.get(Route(HOST, memory)))
                of_node[memory] = of_node.get(memory, 0) + self.capacity * rows[row]
        return replace(
            table,
            inputs=tuple(end for end in table.inputs if end.name not in readers),
            outputs=tuple(
                Endpoint(end.name, self.ends.get(end.name, end.memory))
                for end in table.outputs
                if end.name not in readers
            ),
            nodes=tuple(
                _holding(node, held[node.name], table.machine) if node.name in held else node
                for node in table.nodes
            ),
        )

    def _lying(self, table: CostTable) -> Iterator[tuple[str, State]]:
        """Those of `_read` that may lie elsewhere than in the host's memory, and of which the table
        does not say so yet."""
        starts = {end.name for end in table.inputs}
        for node, state in self._read(table):
            if state.past in starts and _memories(table, node):
                yield node, state

    @property
    def names(self) -> frozenset[str]:
        """What need not begin, or end, in the host's memory."""
        return frozenset(name for state in self.states for name in _names(state))

    def homes(
        self, graph: Graph, schedule: Schedule, memory_of: Mapping[str, str]
    ) -> Mapping[str, str]:
        """In which memory states lie, past and present, where it is not the host's, by name;
        `memory_of` is by device."""
        found = {
            name: memory_of[schedule.device_of[node]]
            for node, state in self._read(graph)
            for name in _names(state)
        }
        return {name: memory for name, memory in {**found, **self.ends}.items() if memory != HOST}

    def _read(self, graph: Graph | CostTable) -> Iterator[tuple[str, State]]:
        """Each state that one node alone reads, and joins to the new rows, with that node."""
        for state in self.states:
            readers = _readers(graph, state.past)
            if len(readers) == 1 and state.present in readers[0].border:
                yield readers[0].name, state


#: Of an entry whose inputs and outputs are all in the host's memory.
NO_RESIDENTS = Residents()


@dataclass(frozen=True, slots=True)
class _Reader:
    """A node, with the names of what it reads and writes."""

    name: str
    border: tuple[str, ...]


def _readers(graph: Graph | CostTable, value: str) -> list[_Reader]:
    if isinstance(graph, CostTable):
        priced = [graph.node_named[name] for name in graph.users.get(value, ())]
        return [_Reader(node.name, (*node.inputs, *node.outputs)) for node in priced]
    nodes = [graph.nodes[index] for index in dict.fromkeys(graph.users.get(value, ()))]
    return [
        _Reader(node.name, tuple(each.name for each in (*node.inputs, *node.outputs)))
        for node in nodes
    ]


def _memories(table: CostTable, node: str) -> tuple[str, ...]:
    """Those in which it may run, but the host's, which is that of the process."""
    found = map(table.machine.memory_of, table.node_named[node].run_s)
    return tuple(name for name in dict.fromkeys(found) if name != HOST)


def _names(state: State) -> tuple[str, str]:
    return state.past, state.present


def _row_bytes(state: State, link: LinkDriver | None) -> int:
    """What a row takes in the memory that `link` leads to, in whose format it arrives."""
    if link is None:
        return state.row_bytes
    return int(link.transfer(np.zeros(state.row, state.dtype)).nbytes)


def _holding(node: NodeCosts, held: Mapping[str, int], machine: Machine) -> NodeCosts:
    """With what lies in a device's own memory."""
    more = {
        name: node.bytes_on(name) + held[memory]
        for name in node.run_s
        if (memory := machine.memory_of(name)) in held
    }
    return replace(node, resident_bytes={**node.resident_bytes, **more})

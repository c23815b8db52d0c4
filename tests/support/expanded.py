"""An expanded graph out of a cost table: the same nodes, devices and sizes, nothing timed yet."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.graph import Graph, Node, Value
from stagecut.compiler.ir.machine import Basis, Link, Route


def expanded(table: CostTable, links: Mapping[Route, Basis] | None = None) -> ExpandedGraph:
    """All links are measured unless `links` says otherwise."""
    values = {value.name: Value(value.name, "uint8", (value.size_bytes,)) for value in table.values}
    nodes = tuple(
        Node(
            name=node.name,
            op=node.op,
            operators=(),
            inputs=tuple(values[name] for name in node.inputs),
            outputs=tuple(values[name] for name in node.outputs),
            weights=(),
            flops=0,
        )
        for node in table.nodes
    )
    written = {name for node in table.nodes for name in node.outputs}
    devices = [device.name for device in table.machine.devices]
    return ExpandedGraph(
        Graph(
            table.name,
            nodes,
            inputs=tuple(value for name, value in values.items() if name not in written),
            outputs=tuple(dict.fromkeys(values[end.name] for end in table.outputs)),
        ),
        replace(table.machine, links=_links(table) if links is None else _as_links(links)),
        {node.name: tuple(name for name in devices if name in node.run_s) for node in table.nodes},
        {node.name: {} for node in table.nodes},
    )


def _links(table: CostTable) -> tuple[Link, ...]:
    memories = [memory.name for memory in table.machine.memories]
    return tuple(Link(*pair) for pair in permutations(memories, 2))


def _as_links(links: Mapping[Route, Basis]) -> tuple[Link, ...]:
    return tuple(Link(*route, basis=basis) for route, basis in links.items())

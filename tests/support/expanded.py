"""An expanded graph out of a cost table: the same nodes, devices and sizes, nothing timed yet."""

from collections.abc import Mapping
from itertools import permutations

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, Route
from stagecut.compiler.ir.graph import Graph, Node, Value
from stagecut.compiler.ir.machine import Basis


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
    memories = [memory.name for memory in table.machine.memories]
    devices = [device.name for device in table.machine.devices]
    return ExpandedGraph(
        Graph(
            table.name,
            nodes,
            inputs=tuple(value for name, value in values.items() if name not in written),
            outputs=tuple(dict.fromkeys(values[end.name] for end in table.outputs)),
        ),
        table.machine,
        {node.name: tuple(name for name in devices if name in node.run_s) for node in table.nodes},
        {node.name: {} for node in table.nodes},
        dict.fromkeys(permutations(memories, 2), "measured") if links is None else links,
    )

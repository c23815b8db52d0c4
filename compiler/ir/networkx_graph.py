"""Cost tables as networkx graphs, both ways: for those whose graphs are there already.

    graph.add_node("up", run_s={"cpu": 9e-5, "npu": 1e-5})
    graph.add_edge("up", "down", size_bytes=16384)
    CostTable.from_networkx(
        graph, {"cpu": "host", "npu": "npu"}, {("host", "npu"): (5e-6, 1e10), ...}
    )

A node of the graph is a node of the table. Without more being said it writes one value, called as
it is, which all its edges hand on; an edge with a `value` hands on that one.
"""

from collections.abc import Mapping
from typing import Any

import networkx as nx

from stagecut.compiler.ir.costs import CostTable, Links, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Device, Link, Machine, Memory


def table_of(
    graph: "nx.DiGraph[Any] | nx.MultiDiGraph[Any]",
    devices: Mapping[str, str],
    links: Links,
    name: str,
) -> CostTable:
    """What `CostTable.from_networkx` returns."""
    if not graph.is_directed():
        raise CostTableError("has no directions", where=name, fix="use a networkx.DiGraph")
    written: dict[str, dict[str, int]] = {str(node): {} for node in graph}
    read: dict[str, dict[str, None]] = {str(node): {} for node in graph}
    for source, target, facts in graph.edges(data=True):
        value = str(facts.get("value", source))
        sizes = written[str(source)]
        sizes[value] = max(sizes.get(value, 0), int(facts.get("size_bytes", 0)))
        read[str(target)][value] = None
    for node, sizes in written.items():
        if not sizes:
            sizes[node] = 0
    memories = tuple(dict.fromkeys(devices.values()))
    return CostTable(
        name=name,
        machine=Machine(
            tuple(map(Memory, memories)),
            tuple(Device(device, memory) for device, memory in devices.items()),
            tuple(Link(*ends, *costs) for ends, costs in links.items()),
        ),
        values=tuple(
            ValueCosts(value, size_bytes)
            for sizes in written.values()
            for value, size_bytes in sizes.items()
        ),
        nodes=tuple(
            NodeCosts(
                name=str(node),
                op=str(facts.get("op", "node")),
                run_s=_run_s(str(node), facts),
                inputs=tuple(read[str(node)]),
                outputs=tuple(written[str(node)]),
                weight_bytes=int(facts.get("weight_bytes", 0)),
                run_j=dict(facts.get("run_j", {})),
            )
            for node, facts in graph.nodes(data=True)
        ),
    )


def _run_s(node: str, facts: Mapping[str, Any]) -> Mapping[str, float]:
    run_s = facts.get("run_s")
    if not isinstance(run_s, Mapping) or not run_s:
        raise CostTableError(
            "has no run_s",
            where=f"node {node}",
            fix="give it what it takes on each device, graph.add_node(..., run_s={'cpu': 1e-3})",
        )
    return {str(device): float(time_s) for device, time_s in run_s.items()}


def graph_of(table: CostTable) -> "nx.MultiDiGraph[str]":
    """What `CostTable.to_networkx` returns."""
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=table.name)
    for node in table.nodes:
        graph.add_node(
            node.name,
            op=node.op,
            run_s=dict(node.run_s),
            run_j=dict(node.run_j),
            weight_bytes=node.weight_bytes,
        )
    for value, source in table.producer.items():
        size_bytes = table.value(value).size_bytes
        for target in table.users.get(value, ()):
            graph.add_edge(source, target, key=value, value=value, size_bytes=size_bytes)
    return graph

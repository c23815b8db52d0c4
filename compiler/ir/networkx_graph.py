"""Cost tables as networkx graphs, both ways: for those whose graphs are there already.

    graph.add_node("up", run_s={"cpu": 9e-5, "npu": 1e-5})
    graph.add_edge("up", "down", size_bytes=16384)
    CostTable.from_networkx(
        graph, {"cpu": "host", "npu": "npu"}, {("host", "npu"): (5e-6, 1e10), ...}
    )

A node of the graph is a node of the table. Without more being said it writes one value, called as
it is, which all its edges hand on; an edge with a `value` hands on that one.
"""

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import networkx as nx

from stagecut.compiler.ir.costs import NOTHING, Budget, CostTable, Links, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Device, Link, Machine, Memory


def table_of(
    graph: "nx.DiGraph[Any] | nx.MultiDiGraph[Any]",
    devices: Mapping[str, str],
    links: Links,
    name: str,
    limits: Mapping[str, float],
) -> CostTable:
    """What `CostTable.from_networkx` returns."""
    if not graph.is_directed():
        raise CostTableError("has no directions", where=name, fix="use a networkx.DiGraph")
    written: dict[str, dict[str, int]] = {str(node): {} for node in graph}
    read: dict[str, dict[str, None]] = {str(node): {} for node in graph}
    for source, target, facts in graph.edges(data=True):
        value = str(facts.get("value", source))
        sizes = written[str(source)]
        edge = f"edge {source} -> {target}"
        size_bytes = _size(facts.get("size_bytes", 0), "a size_bytes", edge)
        sizes[value] = max(sizes.get(value, 0), size_bytes)
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
            tuple(_links(links)),
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
                weight_bytes=_size(facts.get("weight_bytes", 0), "a weight_bytes", f"node {node}"),
                run_j=_by_device(facts.get("run_j", {}), "run_j", f"node {node}"),
                resident_bytes=_resident_bytes(str(node), facts),
                uses=_uses(str(node), facts, limits),
            )
            for node, facts in graph.nodes(data=True)
        ),
        budgets=tuple(
            Budget(str(budget), _number(limit, "a limit", f"limits[{budget!r}]"))
            for budget, limit in limits.items()
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
    return _by_device(run_s, "run_s", f"node {node}")


def _resident_bytes(node: str, facts: Mapping[str, Any]) -> Mapping[str, int]:
    where, given = f"node {node}", facts.get("resident_bytes", NOTHING)
    form = "how many bytes it is on each device, resident_bytes={'cpu': 16384}"
    sizes = _mapping(given, "a resident_bytes that is", where, form)
    return {
        str(name): _size(size, f"a resident_bytes on {name}", where) for name, size in sizes.items()
    }


def _uses(
    node: str, facts: Mapping[str, Any], limits: Mapping[str, float]
) -> Mapping[str, Mapping[str, float]]:
    """By budget, and below by device; without those that have no limit."""
    where, given = f"node {node}", facts.get("uses", NOTHING)
    form = "what it uses of each budget on each device, uses={'area': {'cpu': 2.0}}"
    uses = _mapping(given, "uses that are", where, form)
    return {
        str(budget): _by_device(used, f"use of {budget}", where)
        for budget, used in uses.items()
        if budget in limits
    }


def _by_device(costs: object, key: str, where: str) -> dict[str, float]:
    form = f"a number for each device, {key}={{'cpu': 1e-3}}"
    given = _mapping(costs, f"a {key} that is", where, form)
    return {
        str(device): _number(cost, f"a {key} on {device}", where) for device, cost in given.items()
    }


def _mapping(given: object, what: str, where: str, form: str) -> Mapping[Any, Any]:
    """`given`; `form` says what it would have to look like."""
    if isinstance(given, Mapping):
        return given
    raise CostTableError(f"has {what} no mapping: {given!r}", where=where, fix=f"give {form}")


def _number(number: object, what: str, where: str) -> float:
    if isinstance(number, Real):
        try:
            return float(number)
        except OverflowError:
            pass
    raise CostTableError(
        f"has {what} that is no number: {number!r}",
        where=where,
        fix="give seconds and joules as numbers, such as 1e-3",
    )


def _size(size_bytes: Any, what: str, where: str) -> int:
    is_whole = isinstance(size_bytes, Real) and size_bytes % 1 == 0  # neither NaN nor infinity is
    if is_whole:
        return int(size_bytes)
    raise CostTableError(
        f"has {what} that is no whole number: {size_bytes!r}",
        where=where,
        fix="give how many bytes it is, such as 16384",
    )


def _links(links: Links) -> Iterator[Link]:
    for ends, costs in links.items():
        where = f"links[{ends!r}]"
        if not _is_pair(ends) or not _is_pair(costs):
            raise CostTableError(
                f"a link is two memories and two numbers, not {costs!r}",
                where=where,
                fix="give seconds and bytes a second, {('host', 'npu'): (1e-6, 1e10)}",
            )
        latency_s, bytes_per_s = costs
        yield Link(
            *ends,
            _number(latency_s, "a latency", where),
            _number(bytes_per_s, "a bandwidth", where),
        )


def _is_pair(pair: object) -> bool:
    return isinstance(pair, tuple | list) and len(pair) == 2


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
            resident_bytes=dict(node.resident_bytes),
            uses={budget: dict(used) for budget, used in node.uses.items()},
        )
    for value, source in table.producer.items():
        size_bytes = table.value(value).size_bytes
        for target in table.users.get(value, ()):
            graph.add_edge(source, target, key=value, value=value, size_bytes=size_bytes)
    return graph

"""Read workloads as they were published with "Efficient Algorithms for Device Placement of DNN
Graph Operators" (Tarnawski and others, NeurIPS 2020; github.com/msr-fiddle/dnn-partitioning).

    nodes     what each takes on an accelerator and on a CPU, in milliseconds, and its bytes there
    edges     what the output of the source takes between an accelerator and the host, once
    maxFPGAs  so many accelerators, each with a memory of maxSizePerFPGA bytes; and maxCPUs

As there, an accelerator or a CPU runs one contiguous part, an accelerator pays for what crosses its
border, and nodes of a colour stay together. What must lie between two of them has to stay with
them, too, so a group of such nodes becomes one node of the cost table.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NotRequired, TypeAlias

import networkx as nx
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from stagecut.compiler.formats.text_file import read_text
from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import HOST, Device, Link, Machine, Memory

#: The files say no unit; the paper's figures are in milliseconds.
_MS = 1e-3

#: Costs of one node's edges that differ by no more are one cost, as they are there.
_SAME_COST = 1e-6

_open = with_config(ConfigDict(extra="ignore", strict=True, allow_inf_nan=False))
_Amount: TypeAlias = Annotated[float, Field(ge=0)]

#: Of devices, by far more than any partition is found for.
_Count: TypeAlias = Annotated[int, Field(ge=0, le=1024)]


@_open
class _Node(TypedDict):
    id: int
    name: NotRequired[str]
    supportedOnFpga: bool | int
    cpuLatency: _Amount
    fpgaLatency: _Amount
    isBackwardNode: NotRequired[bool | int]
    colorClass: NotRequired[int]
    size: NotRequired[_Amount]


@_open
class _Edge(TypedDict):
    sourceId: int
    destId: int
    cost: _Amount
    size: NotRequired[_Amount]


@_open
class _Workload(TypedDict):
    maxSizePerFPGA: _Amount
    maxFPGAs: _Count
    maxCPUs: _Count
    nodes: list[_Node]
    edges: list[_Edge]


_WORKLOAD = TypeAdapter(_Workload)


def read_placement(path: Path) -> CostTable:
    """The workload as a cost table; raises CostTableError where it is none, or is one of training,
    whose backward pass has rules of its own."""
    try:
        workload = _WORKLOAD.validate_json(read_text(path))
    except OSError as error:
        raise CostTableError(
            f"cannot be read: {error.strerror}", where=str(path), fix=_FIX
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "the whole file"
        raise CostTableError(
            f"is no workload for placement: {at}: {first['msg']}", where=str(path), fix=_FIX
        ) from None
    _check(workload)
    return _table(path.stem, workload)


_FIX = "give one of the files in throughput-inputs of msr-fiddle/dnn-partitioning, or one like it"


def _check(workload: _Workload) -> None:
    known = Counter(node["id"] for node in workload["nodes"])
    for index, node in enumerate(workload["nodes"]):
        if known[node["id"]] > 1:
            raise CostTableError(
                f"another node has the id {node['id']}, too",
                where=f"nodes[{index}].id",
                fix="give each node an id of its own",
            )
        if node.get("isBackwardNode"):
            raise CostTableError(
                "is a node of a backward pass, and this is about inference",
                where=f"nodes[{index}].isBackwardNode",
                fix="give the workload of inference",
            )
    cost: dict[int, float] = {}
    for index, edge in enumerate(workload["edges"]):
        for key, end in (("sourceId", edge["sourceId"]), ("destId", edge["destId"])):
            if end not in known:
                raise CostTableError(
                    f"there is no node {end}",
                    where=f"edges[{index}].{key}",
                    fix="name nodes by their ids",
                )
        if abs(cost.setdefault(edge["sourceId"], edge["cost"]) - edge["cost"]) > _SAME_COST:
            raise CostTableError(
                f"node {edge['sourceId']} has another edge with another cost",
                where=f"edges[{index}].cost",
                fix="all edges of a node are about one output: give them one cost",
            )
    cycle = _cycle(workload)
    if cycle:
        raise CostTableError(
            f"nodes need each other: {', '.join(map(str, cycle))}",
            where="edges",
            fix="leave out one of the edges",
        )


def _cycle(workload: _Workload) -> list[int]:
    graph = nx.DiGraph((edge["sourceId"], edge["destId"]) for edge in workload["edges"])
    return [] if nx.is_directed_acyclic_graph(graph) else [a for a, _ in nx.find_cycle(graph)]


def _table(name: str, workload: _Workload) -> CostTable:
    machine = _machine(workload)
    groups = _groups(workload)
    group_of = {node["id"]: at for at, group in enumerate(groups) for node in group}
    value_of = _names(workload["nodes"])
    read: list[dict[str, None]] = [{} for _ in groups]
    crossing: dict[int, _Edge] = {}
    for edge in workload["edges"]:
        source, target = group_of[edge["sourceId"]], group_of[edge["destId"]]
        if source != target:
            read[target][value_of[edge["sourceId"]]] = None
            crossing.setdefault(edge["sourceId"], edge)
    routes = [link.route for link in machine.links]
    values = tuple(
        ValueCosts(
            value_of[node],
            math.ceil(edge.get("size", 0.0)),
            dict.fromkeys(routes, edge["cost"] * _MS),
        )
        for node, edge in crossing.items()
    )
    nodes = tuple(
        NodeCosts(
            _group_name(group, value_of),
            "Placed",
            dict(_run_s(group, machine)),
            tuple(reads),
            tuple(value_of[node["id"]] for node in group if node["id"] in crossing),
            sum(math.ceil(node.get("size", 0.0)) for node in group),
        )
        for group, reads in zip(groups, read, strict=True)
    )
    return CostTable(name, machine, values, nodes)


def _machine(workload: _Workload) -> Machine:
    accelerators = [f"accelerator.{at}" for at in range(workload["maxFPGAs"])]
    capacity = math.floor(workload["maxSizePerFPGA"])
    return Machine(
        (Memory(HOST), *(Memory(each, capacity) for each in accelerators)),
        (
            *(Device(each, each, "modelled") for each in accelerators),
            *(Device(f"cpu.{at}", HOST, "modelled") for at in range(workload["maxCPUs"])),
        ),
        tuple(
            Link(*ends, basis="modelled")
            for each in accelerators
            for ends in ((HOST, each), (each, HOST))
        ),
    )


def _groups(workload: _Workload) -> list[list[_Node]]:
    """The nodes that have to stay together, in the order of the file."""
    colours = {
        node["id"]: ("colour", node["colorClass"]) if "colorClass" in node else ("node", node["id"])
        for node in workload["nodes"]
    }
    graph: nx.DiGraph[tuple[str, int]] = nx.DiGraph()
    graph.add_nodes_from(colours.values())
    graph.add_edges_from(
        (colours[edge["sourceId"]], colours[edge["destId"]]) for edge in workload["edges"]
    )
    together = {
        colour: at
        for at, colours_ in enumerate(nx.strongly_connected_components(graph))
        for colour in colours_
    }
    groups: dict[int, list[_Node]] = {}
    for node in workload["nodes"]:
        groups.setdefault(together[colours[node["id"]]], []).append(node)
    return [*groups.values()]


def _names(nodes: Sequence[_Node]) -> dict[int, str]:
    """Each node's own name, with its id where it has none or another one has the same."""
    known = Counter(node.get("name", "") for node in nodes)
    return {
        node["id"]: name
        if (name := node.get("name", "")) and known[name] == 1
        else f"{name or 'node'}#{node['id']}"
        for node in nodes
    }


def _group_name(group: Sequence[_Node], names: dict[int, str]) -> str:
    more = f" and {len(group) - 1} more" if len(group) > 1 else ""
    return f"{names[group[0]['id']]}{more}"


def _run_s(group: Sequence[_Node], machine: Machine) -> Iterator[tuple[str, float]]:
    for device in machine.devices:
        if device.memory == HOST:
            yield device.name, sum(node["cpuLatency"] for node in group) * _MS
        elif all(node["supportedOnFpga"] for node in group):
            yield device.name, sum(node["fpgaLatency"] for node in group) * _MS

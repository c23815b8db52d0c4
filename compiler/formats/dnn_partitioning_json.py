"""Read the workloads of `msr-fiddle/dnn-partitioning` (NeurIPS 2020) as cost tables.

    nodes   cpuLatency, fpgaLatency      a node on `cpu`, and on each of `acc0`, `acc1`, ...
    edges   cost                         its value between an accelerator's memory and the host's;
                                         from one accelerator to another it goes by way of the host
    maxSizePerFPGA, size                 capacities, and the weights of nodes
    colorClass                           nodes that must share a device become one node

Their numbers have no unit: `unit_s` says what 1 is. CPU cores, of which they count several, run one
node at a time here, as everything does where latency is minimised.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import networkx as nx
from pydantic import BaseModel, Field, ValidationError

from stagecut.compiler.formats.text_file import without_mark
from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import HOST, Device, Machine, Memory, Route

_Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Node(BaseModel):
    id: int
    supported: bool = Field(alias="supportedOnFpga")
    cpu: _Cost = Field(alias="cpuLatency")
    accelerator: _Cost = Field(alias="fpgaLatency")
    size: _Cost = 0.0
    colour: int | None = Field(None, alias="colorClass")
    name: str = ""


class _Edge(BaseModel):
    source: int = Field(alias="sourceId")
    target: int = Field(alias="destId")
    cost: _Cost


class _Workload(BaseModel):
    capacity: _Cost = Field(alias="maxSizePerFPGA")
    accelerators: int = Field(alias="maxFPGAs", ge=0, le=1000)
    nodes: Annotated[list[_Node], Field(min_length=1)]
    edges: list[_Edge]


def read_workload(path: Path, unit_s: float = 1e-3) -> CostTable:
    """Raises CostTableError for a file that is none, and for colour classes that cannot run as one:
    where other nodes must run between theirs."""
    workload = _parsed(path)
    ids = [node.id for node in workload.nodes]
    if len(set(ids)) < len(ids):
        raise CostTableError("a node's id is there twice", where=str(path), fix="number them apart")
    for edge in workload.edges:
        if not {edge.source, edge.target} <= set(ids):
            raise CostTableError(
                f"the edge from {edge.source} to {edge.target} leads to no node",
                where=str(path),
                fix="leave it out, or add the node",
            )
    groups = _groups(workload, str(path))
    names = [f"acc{number}" for number in range(workload.accelerators)]
    cost = {edge.source: edge.cost for edge in workload.edges}
    routes = [route for name in names for route in (Route(HOST, name), Route(name, HOST))]
    return CostTable(
        name=path.stem,
        machine=Machine(
            (Memory(HOST), *(Memory(name, int(workload.capacity)) for name in names)),
            (Device("cpu", HOST), *(Device(name, name) for name in names)),
        ),
        values=tuple(
            ValueCosts(f"v{node.id}", 0, dict.fromkeys(routes, unit_s * cost.get(node.id, 0.0)))
            for node in workload.nodes
        ),
        nodes=tuple(_merged(group, workload, names, unit_s) for group in groups),
    )


def _parsed(path: Path) -> _Workload:
    try:
        return _Workload.model_validate_json(without_mark(path.read_bytes()))
    except OSError as error:
        raise CostTableError(
            f"cannot be read: {error.strerror}", where=str(path), fix="check the path"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CostTableError(
            f"is no workload of dnn-partitioning: {first['msg']}",
            where=f"{path}: {place}" if place else str(path),
            fix="give a JSON file with maxSizePerFPGA, maxFPGAs, nodes and edges",
        ) from None


def _groups(workload: _Workload, where: str) -> Sequence[Sequence[_Node]]:
    """The nodes by colour class, those without one alone, in the file's order."""
    found: dict[tuple[str, int], list[_Node]] = {}
    for node in workload.nodes:
        key = ("node", node.id) if node.colour is None else ("colour", node.colour)
        found.setdefault(key, []).append(node)
    number = {node.id: at for at, nodes in enumerate(found.values()) for node in nodes}
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(len(found)))
    ends = ((number[edge.source], number[edge.target]) for edge in workload.edges)
    graph.add_edges_from((source, target) for source, target in ends if source != target)
    if not nx.is_directed_acyclic_graph(graph):
        raise CostTableError(
            "the nodes of a colour class cannot run as one, as others must run between them; or "
            "the graph has a circle",
            where=where,
            fix="use a workload of inference, or one without colour classes",
        )
    return [*found.values()]


def _merged(
    group: Sequence[_Node], workload: _Workload, accelerators: Sequence[str], unit_s: float
) -> NodeCosts:
    inside = {node.id for node in group}
    inputs = dict.fromkeys(
        f"v{edge.source}"
        for edge in workload.edges
        if edge.target in inside and edge.source not in inside
    )
    run_s: Mapping[str, float] = {"cpu": unit_s * sum(node.cpu for node in group)}
    if all(node.supported for node in group):
        taken_s = unit_s * sum(node.accelerator for node in group)
        run_s = {**run_s, **dict.fromkeys(accelerators, taken_s)}
    return NodeCosts(
        name="+".join(f"n{node.id}" for node in group),
        op=group[0].name or "node",
        run_s=run_s,
        inputs=tuple(inputs),
        outputs=tuple(f"v{node.id}" for node in group),
        weight_bytes=round(sum(node.size for node in group)),
    )

"""Merge operators into nodes that are placed as a whole.

Before (capable devices in brackets):      After:
  %q = MatMul(%x, W)     [cpu pim]           %b = MatMul+Add(%x)       [cpu pim]
  %b = Add(%q, bias)     [cpu pim]           %d = MatMul(%b, %k)       [cpu]
  %h = Reshape(%b)       [cpu pim]           %e = Mul(%d)              [cpu pim]
  %t = Transpose(%h)     [cpu]               %m = Softmax+Where(%e)    [cpu]
  %d = MatMul(%t, %k)    [cpu]
  %e = Mul(%d, 0.125)    [cpu pim]
  %s = Softmax(%e)       [cpu]
  %m = Where(%c, %s, 0)  [cpu]

Five rules, in this order:
  glue   values that cannot leave an engine (sequences, bfloat16) join writer and readers
  fused  a region (attention, GELU) that a device runs as one kernel, for less: fused.py
  views  view-like operators join a neighbour that loses no device by it
  cheap  a cheap neighbour joins when both can run on the same devices, at most one of the two
         is heavy, and one is the other's only reader
  kept   neighbours of which a device keeps what one hands to the other, for less: kept.py

But for regions, no rule takes a device away from an operator that does real work. The only
schedules that this rules out split a run of cheap operators, a region, or what a device keeps in
place; in exchange, engines can fuse them. A view-like operator stays a node of its own only where
every merge would take a device away from its neighbour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.passes.cluster.fused import merge_regions
from stagecut.passes.cluster.groups import Groups
from stagecut.passes.cluster.joined import joined
from stagecut.passes.cluster.kept import merge_kept
from stagecut.passes.cluster.views import is_view

Granularity: TypeAlias = Literal["cluster", "op"]

#: Operators that do enough work to be worth a node of their own.
_HEAVY = frozenset(
    {"MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "Attention", "LSTM", "GRU", "RNN"}
    | {"MatMulInteger", "QLinearMatMul", "ConvInteger", "QLinearConv", "If", "Loop", "Scan"}
    | {"DeformConv", "FusedMatMul", "MultiHeadAttention", "QAttention", "FusedConv"}
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """`granularity` "op" makes each operator a node, but for those that have to be glued
    together. Who writes and who reads a value of `wire` are never merged by rule."""

    backends: Mapping[str, Backend]
    granularity: Granularity = "cluster"
    wire: frozenset[str] = frozenset()

    def __call__(self, graph: Graph) -> Graph:
        """Return `graph` with merged nodes, in topological order."""
        able = [self._capable(node) for node in graph.nodes]
        groups = Groups(graph, able)
        groups.glue(_unportable_edges(graph))
        if self.granularity == "cluster":
            merge_regions(graph, groups, self.backends)
            views = [all(map(is_view, node.operators)) for node in graph.nodes]
            heavy = [any(op.op in _HEAVY for op in node.operators) for node in graph.nodes]
            _merge_views(groups, views)
            sent = [any(each.name in self.wire for each in node.outputs) for node in graph.nodes]
            _merge_cheap(groups, heavy, sent)
            merge_kept(graph, groups, self.backends, sent)
        return _rebuild(graph, groups)

    def _capable(self, node: Node) -> frozenset[str]:
        return frozenset(name for name, backend in self.backends.items() if backend.supports(node))


def _unportable_edges(graph: Graph) -> list[tuple[int, int]]:
    return [
        (graph.producer[value.name], index)
        for index, node in enumerate(graph.nodes)
        for value in node.inputs
        if value.name in graph.producer and not value.portable
    ]


def _merge_views(groups: Groups, views: Sequence[bool]) -> None:
    """Views join a reader rather than a writer: it is the reader that needs the new layout."""
    for index, view in enumerate(views):
        group = groups.of(index)
        while view and all(views[member] for member in groups.members(group)):
            able = groups.able(group)
            lossless = (n for n in groups.safe_neighbours(group) if groups.able(n) <= able)
            neighbour = next(lossless, None)
            if neighbour is None:
                break
            group = groups.merge(group, neighbour)


def _merge_cheap(groups: Groups, heavy: Sequence[bool], sent: Sequence[bool]) -> None:
    def is_heavy(group: int) -> bool:
        return any(heavy[member] for member in groups.members(group))

    changed = True
    while changed:
        changed = False
        for index in range(len(heavy)):
            group = groups.of(index)
            reader = groups.only_reader(group)
            if reader is None or groups.able(group) != groups.able(reader):
                continue
            if any(sent[member] for member in groups.members(group)):
                continue
            if not (is_heavy(group) and is_heavy(reader)):
                groups.merge(group, reader)
                changed = True


def _rebuild(graph: Graph, groups: Groups) -> Graph:
    readers: dict[str, set[int]] = {value.name: {-1} for value in graph.outputs}
    for index, node in enumerate(graph.nodes):
        for value in node.inputs:
            readers.setdefault(value.name, set()).add(groups.of(index))
    nodes = []
    for group in groups.in_order():
        members = [graph.nodes[index] for index in groups.members(group)]
        written = [value for node in members for value in node.outputs]
        # a value that neither another node nor the caller of the model reads stays inside
        outputs = [value for value in written if readers.get(value.name, {group}) != {group}]
        nodes.append(members[0] if len(members) == 1 else joined(members, outputs))
    return Graph(graph.name, tuple(nodes), graph.inputs, graph.outputs)

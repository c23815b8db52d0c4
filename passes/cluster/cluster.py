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

Three rules, in this order:
  glue   values that cannot leave an engine (sequences, bfloat16) join writer and readers
  views  view-like operators join a neighbour that loses no device by it
  cheap  a cheap neighbour joins when both can run on the same devices, at most one of the two
         is heavy, and one is the other's only reader

No rule takes a device away from an operator that does real work. The only schedules that this rules
out split a run of cheap operators; in exchange, engines can fuse them. A view-like operator stays a
node of its own only where every merge would take a device away from its neighbour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.graph import Graph, Node, Operator, Value
from stagecut.passes.cluster.groups import Groups

Granularity: TypeAlias = Literal["cluster", "op"]

_VIEWS = frozenset(
    {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Expand"}
    | {"Shape", "Size", "Range", "ConstantOfShape", "Constant", "CastLike", "Dropout"}
)

#: Operators that do enough work to be worth a node of their own.
_HEAVY = frozenset(
    {"MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "Attention", "LSTM", "GRU", "RNN"}
    | {"MatMulInteger", "QLinearMatMul", "ConvInteger", "QLinearConv", "If", "Loop", "Scan"}
    | {"DeformConv", "FusedMatMul", "MultiHeadAttention", "QAttention", "FusedConv"}
)

#: Integers up to this many are taken for shape arithmetic.
_SHAPE_ELEMENTS = 16


@dataclass(frozen=True, slots=True)
class Cluster:
    """`granularity` "op" makes each operator a node, but for those that have to be glued
    together."""

    backends: Mapping[str, Backend]
    granularity: Granularity = "cluster"

    def __call__(self, graph: Graph) -> Graph:
        """Return `graph` with merged nodes, in topological order."""
        able = [self._capable(node) for node in graph.nodes]
        groups = Groups(graph, able)
        groups.glue(_unportable_edges(graph))
        if self.granularity == "cluster":
            views = [all(map(_is_view, node.operators)) for node in graph.nodes]
            heavy = [any(op.op in _HEAVY for op in node.operators) for node in graph.nodes]
            _merge_views(groups, views)
            _merge_cheap(groups, heavy)
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


def _is_view(operator: Operator) -> bool:
    if operator.domain:
        return False
    if operator.op in _VIEWS:
        return True
    source = operator.inputs[0] if operator.inputs else None
    if operator.op == "Cast" and source is not None and not source.dtype.startswith("float"):
        return True
    return bool(operator.writes) and all(map(_is_shape_like, operator.writes))


def _is_shape_like(value: Value) -> bool:
    integer = value.dtype in {"int64", "int32", "bool"}
    return integer and len(value.shape) <= 1 and value.elements <= _SHAPE_ELEMENTS


def _merge_views(groups: Groups, views: Sequence[bool]) -> None:
    """Views join a reader rather than a writer: it is the reader that needs the new layout."""
    for index, is_view in enumerate(views):
        group = groups.of(index)
        while is_view and all(views[member] for member in groups.members(group)):
            able = groups.able(group)
            lossless = (n for n in groups.safe_neighbours(group) if groups.able(n) <= able)
            neighbour = next(lossless, None)
            if neighbour is None:
                break
            group = groups.merge(group, neighbour)


def _merge_cheap(groups: Groups, heavy: Sequence[bool]) -> None:
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
        nodes.append(members[0] if len(members) == 1 else _joined(members, outputs))
    return Graph(graph.name, tuple(nodes), graph.inputs, graph.outputs)


def _joined(members: Sequence[Node], outputs: Sequence[Value]) -> Node:
    """One node with the name of its heaviest member and the operators of all of them."""
    written = {value.name for node in members for value in node.outputs}
    read = {value.name: value for node in members for value in node.inputs}
    weights = {weight.name: weight for node in members for weight in node.weights}
    operators = tuple(operator for node in members for operator in node.operators)
    working = [operator.op for operator in operators if not _is_view(operator)]
    return Node(
        name=max(members, key=lambda node: node.flops).name,
        op="+".join(working or [operator.op for operator in operators]),
        operators=operators,
        inputs=tuple(value for name, value in read.items() if name not in written),
        outputs=tuple(outputs),
        weights=tuple(weights.values()),
        flops=sum(node.flops for node in members),
    )

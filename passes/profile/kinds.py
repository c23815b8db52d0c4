"""Nodes of one kind cost the same, so that one of them is timed for all.

    encoder/0/up    MatMul 128x768, W 768x3072; Add; Gelu      timed
    encoder/1/up    the same, with other weights               takes what encoder/0/up takes
    encoder/0/down  MatMul 128x3072, W 3072x768; Add           timed

What a node takes follows from its operators, their attributes, and the types and shapes of what
they read and write, and which of these are weights, which engines pack beforehand. What stands in
its weights makes no difference, but for short ones, which say how something is done, and long
integers, which engines may refuse. Some nodes are like no other: those with bodies or tensors among
their attributes, with values that are no tensors, and with sizes that depend on data.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.graph import Graph, Node, Operator, Value
from stagecut.compiler.ir.program import Program

#: A list of weights that is no longer is a setting.
_SHORT = 16

#: Types of weights that make a difference, however many there are.
_TOLD = frozenset({"int16", "int32", "int64", "uint16", "uint32", "uint64", "string"})

_FLOATS = frozenset({"float16", "float32", "float64"})

#: By operator, the operands that say how large its results are, and may be floats.
_SIZING = {"Range": (0, 1, 2), "Resize": (1, 2), "Upsample": (1,)}

#: Attributes that the planning view has.
_PLAIN = frozenset(
    {
        *(ir.AttributeType.INT, ir.AttributeType.FLOAT, ir.AttributeType.STRING),
        *(ir.AttributeType.INTS, ir.AttributeType.FLOATS, ir.AttributeType.STRINGS),
    }
)

#: What tells the kind of a node: nodes of equal answers are of one, None is like no other.
KindOf = Callable[[Node], Hashable | None]


def kinds_of(program: Program) -> KindOf:
    """Those of the nodes of a program's graph, however its operators are clustered."""
    own = {node.name: node for node in program.model.graph}

    def kind(node: Node) -> Hashable | None:
        values = (*node.inputs, *node.outputs)
        if any(not value.portable or value.name in program.measured for value in values):
            return None
        places: dict[str, int] = {}
        parts = [_operator(each, own[each.name], places) for each in node.operators]
        if None in parts:
            return None
        return (*parts, tuple(places[value.name] for value in node.outputs))

    return kind


def _operator(own: Operator, node: ir.Node, places: dict[str, int]) -> Hashable | None:
    """With each value by its place among all that the node has named so far."""
    if own.captured or not _PLAIN.issuperset(each.type for each in node.attributes.values()):
        return None
    operands: list[Hashable] = []
    for value, ours in zip((*own.inputs, *own.outputs), (*node.inputs, *node.outputs), strict=True):
        if value is None:
            operands.append(None)
            continue
        place = places.setdefault(value.name, len(places))
        setting = _setting(value, ours)
        operands.append((place, value.dtype, value.shape, value.constant, setting))
    return (
        (own.op, own.domain, own.version),
        tuple(sorted(own.attributes.items())),
        tuple(operands),
    )


def _setting(value: Value, ours: ir.Value | None) -> str | None:
    """What stands in a weight, where that makes a difference."""
    if not value.constant or ours is None or ours.const_value is None:
        return None
    if value.elements > _SHORT and value.dtype not in _TOLD:
        return None
    return _digest(ours.const_value)


def _digest(tensor: ir.TensorProtocol) -> str:
    if tensor.dtype == ir.DataType.STRING:
        return repr(tensor.numpy().tolist())
    return hashlib.sha256(tensor.tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class Representatives:
    """`expanded` is the part of a graph that is run, `timed_as` has the node of it that is timed
    for each node of the whole."""

    expanded: ExpandedGraph
    timed_as: Mapping[str, str]

    @property
    def of_all(self) -> int | None:
        """How many nodes those that are run are timed for; None where they are all there are."""
        left_out = len(self.expanded.graph.nodes) < len(self.timed_as)
        return len(self.timed_as) if left_out else None

    @classmethod
    def all_of(cls, expanded: ExpandedGraph) -> "Representatives":
        """Every node for itself."""
        return cls(expanded, {node.name: node.name for node in expanded.graph.nodes})

    @classmethod
    def of(cls, expanded: ExpandedGraph, kind: KindOf) -> "Representatives":
        """The first node of each kind; every node where values have to leave an engine that cannot,
        or where what a transfer takes has to be measured, as that takes the whole graph."""
        graph = expanded.graph
        crosses = any(link.basis == "measured" for link in expanded.machine.links)
        if crosses or not all(value.portable for value in graph.values):
            return cls.all_of(expanded)
        first: dict[Hashable, str] = {}
        timed_as: dict[str, str] = {}
        for node in graph.nodes:
            found = kind(node)
            key = node.name if found is None else (found, expanded.candidates[node.name])
            timed_as[node.name] = first.setdefault(key, node.name)
        part = _part(graph, frozenset(timed_as.values()))
        if len(part.nodes) == len(graph.nodes):
            return cls.all_of(expanded)
        names = [node.name for node in part.nodes]
        return cls(
            replace(
                expanded,
                graph=part,
                candidates={name: expanded.candidates[name] for name in names},
                refusals={name: expanded.refusals[name] for name in names},
            ),
            timed_as,
        )


def only_floats_follow(graph: Graph, values: Sequence[Value]) -> bool:
    """Whether all that comes of `values`, and they themselves, are floats, and none of them says
    how large something is: then no operator asks for more than their sizes, and any numbers do for
    timing."""
    follow = {value.name for value in values}
    inside = set(follow)
    for node in graph.nodes:
        if not follow.isdisjoint(value.name for value in node.inputs):
            follow.update(value.name for value in node.outputs)
            values = (*values, *node.outputs)
        for operator in node.operators:
            if not inside.isdisjoint(_sizing(operator)):
                return False
            if not inside.isdisjoint(value.name for value in operator.reads):
                inside.update(value.name for value in operator.writes)
    return all(value.dtype in _FLOATS for value in values)


def _sizing(operator: Operator) -> Iterator[str]:
    """The names of the operands that say how large its results are, and may be floats."""
    for at in _SIZING.get(operator.op, ()):
        value = operator.inputs[at] if at < len(operator.inputs) else None
        if value is not None:
            yield value.name


def _part(graph: Graph, names: frozenset[str]) -> Graph:
    """The nodes with these names; what others write is an input, what others read an output."""
    nodes = tuple(node for node in graph.nodes if node.name in names)
    written = {value.name for node in nodes for value in node.outputs}
    read = {value.name: value for node in nodes for value in node.inputs}
    inputs = tuple(value for name, value in read.items() if name not in written)
    return Graph(graph.name, nodes, inputs, tuple(_handed_on(graph, nodes)))


def _handed_on(graph: Graph, nodes: Sequence[Node]) -> Iterator[Value]:
    inside = {node.name for node in nodes}
    outputs = {value.name for value in graph.outputs}
    for node in nodes:
        for value in node.outputs:
            readers = (graph.nodes[at].name for at in graph.users.get(value.name, ()))
            if value.name in outputs or not inside.issuperset(readers):
                yield value

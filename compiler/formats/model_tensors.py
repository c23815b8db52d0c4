"""Every tensor of a model, wherever it is kept: the one walk for whoever must not miss one.

initializers        of the graph, of nested bodies, of functions and of bodies in these
attributes          of nodes in all of these (one tensor, or several), and defaults of functions
"""

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import TypeAlias

import onnx_ir as ir

_Attributes: TypeAlias = MutableMapping[str, ir.Attr]


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor and how to put another in its place; `initializer` is the value of the main graph
    that it initialises, None for tensors that are kept elsewhere."""

    tensor: ir.TensorProtocol
    replace: Callable[[ir.TensorProtocol], None]
    initializer: ir.Value | None = None


def tensors(model: ir.Model) -> Iterator[Kept]:
    """All of them, the initializers of the main graph first. Each may be replaced when its turn
    comes."""
    for value in tuple(model.graph.initializers.values()):
        yield from _initial(value, value)
    for graph in model.graph.subgraphs():
        for value in tuple(graph.initializers.values()):
            yield from _initial(value)
        yield from _in_nodes(graph)
    yield from _in_nodes(model.graph)
    for function in model.functions.values():
        yield from _in_attributes(function.attributes)
        for graph in (function.graph, *function.subgraphs()):
            for value in tuple(graph.initializers.values()):
                yield from _initial(value)
            yield from _in_nodes(graph)


def bodies(node: ir.Node) -> Iterator[ir.Graph]:
    """The graphs that an If, Loop or Scan carries."""
    for attribute in node.attributes.values():
        if attribute.is_ref():
            continue
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


def _initial(value: ir.Value, initializer: ir.Value | None = None) -> Iterator[Kept]:
    if value.const_value is not None:
        yield Kept(value.const_value, lambda tensor: _initialise(value, tensor), initializer)


def _initialise(value: ir.Value, tensor: ir.TensorProtocol) -> None:
    value.const_value = tensor


def _in_nodes(nodes: Iterable[ir.Node]) -> Iterator[Kept]:
    for node in nodes:
        if node.attributes:
            yield from _in_attributes(node.attributes)


def _in_attributes(attributes: _Attributes) -> Iterator[Kept]:
    for attribute in tuple(attributes.values()):
        if attribute.is_ref():
            continue
        if attribute.type == ir.AttributeType.TENSOR:
            yield _single(attributes, attribute)
        elif attribute.type == ir.AttributeType.TENSORS:
            yield from _several(attributes, attribute)


def _single(attributes: _Attributes, attribute: ir.Attr) -> Kept:
    return Kept(
        attribute.as_tensor(),
        lambda tensor: attributes.update({attribute.name: ir.AttrTensor(attribute.name, tensor)}),
    )


def _several(attributes: _Attributes, attribute: ir.Attr) -> Iterator[Kept]:
    together = [*attribute.as_tensors()]

    def put(at: int, tensor: ir.TensorProtocol) -> None:
        together[at] = tensor
        attributes[attribute.name] = ir.AttrTensors(attribute.name, together)

    for at, tensor in enumerate(together):
        yield Kept(tensor, lambda tensor, at=at: put(at, tensor))  # type: ignore[misc]

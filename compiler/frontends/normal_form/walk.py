"""Walk through a model: the bodies that a node carries, and the values that a graph defines."""

from collections.abc import Iterator

import onnx_ir as ir


def bodies(node: ir.Node) -> Iterator[ir.Graph]:
    """The graphs that an If, Loop or Scan carries."""
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


def has_bodies(graph: ir.Graph) -> bool:
    """Whether there is an If, Loop or Scan in it."""
    return any(True for node in graph for _ in bodies(node))


def given(graph: ir.Graph | ir.Function) -> Iterator[ir.Value]:
    """The values that `graph` starts with: its inputs, then its initializers."""
    yield from graph.inputs
    if isinstance(graph, ir.Graph):
        yield from graph.initializers.values()


def defined(graph: ir.Graph | ir.Function) -> Iterator[ir.Value]:
    """Every value that `graph` itself defines, bodies apart; an initializer may come twice."""
    yield from given(graph)
    for node in graph:
        yield from node.outputs

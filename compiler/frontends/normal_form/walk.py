"""Walk through a model: the values that a graph defines, and whether it has bodies."""

from collections.abc import Iterator

import onnx_ir as ir

from stagecut.compiler.formats.model_tensors import bodies


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

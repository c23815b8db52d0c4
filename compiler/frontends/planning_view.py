"""The planning view of a program: one Node for each ONNX operator, with bound shapes."""

from collections.abc import Collection, Iterator

import onnx_ir as ir

from stagecut.compiler.formats.model_tensors import bodies
from stagecut.compiler.frontends.flops import flops
from stagecut.compiler.frontends.normal_form.walk import defined
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.view import View


def graph_of(program: Program) -> Graph:
    """View `program` at the granularity of operators: `Node.op` is the operator's type."""
    graph = program.model.graph
    view = View(graph, program.measured, _growing(graph, program.states))
    return Graph(
        program.name,
        tuple(_node(node, view) for node in graph),
        tuple(view.value(value) for value in graph.inputs),
        tuple(view.value(value) for value in graph.outputs),
    )


def _growing(graph: ir.Graph, states: Collection[str]) -> dict[ir.Value, int]:
    """The states, what they become with new rows behind them, and both in another layout, each with
    the axis of its rows."""
    found = {value: 0 for value in graph.inputs if value.name in states}
    for node in graph if found else ():
        source = node.inputs[0] if node.inputs else None
        axis = None if source is None else found.get(source)
        if axis is None or node.domain:
            continue
        if node.op_type == "Concat" and _axis(node) == axis:
            found[node.outputs[0]] = axis
        elif node.op_type == "Transpose" and "perm" in node.attributes:
            found[node.outputs[0]] = [*node.attributes["perm"].as_ints()].index(axis)
    return found


def _axis(node: ir.Node) -> int:
    shape = node.outputs[0].shape
    return node.attributes["axis"].as_int() % (1 if shape is None else len(shape))


def _node(node: ir.Node, view: View) -> Node:
    captured = tuple(view.value(value) for value in dict.fromkeys(_captured(node)))
    operator = view.operator(node, captured)
    read = {value.name for value in node.outputs if value.uses() or value.is_graph_output()}
    return Node(
        name=operator.name,
        op=operator.op,
        operators=(operator,),
        inputs=tuple(value for value in operator.reads if not value.constant),
        outputs=tuple(value for value in operator.writes if value.name in read),
        weights=tuple(value for value in operator.reads if value.constant),
        flops=flops(operator),
    )


def _captured(node: ir.Node) -> Iterator[ir.Value]:
    """What the bodies of `node`, and bodies inside them, read from outside of `node`."""
    for body in bodies(node):
        own = set(defined(body))
        for inner in body:
            for value in (*inner.inputs, *_captured(inner)):
                if value is not None and value not in own:
                    yield value

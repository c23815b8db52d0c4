"""Take the branch with a cache of a merged decoder: an empty cache makes of it the other one.

Before:                                              After:
  use = use_cache_branch (bool[1])
  logits, present = If(use) { with past | without }    logits, present = with past
"""

import numpy as np
import onnx_ir as ir

from stagecut.compiler.frontends.new_nodes import constant

#: What exporters call the input that says which branch runs.
BRANCH = "use_cache_branch"

#: Operators that a condition goes through unchanged.
_PASSED = frozenset({"Cast", "Gather", "Identity", "Reshape", "Squeeze", "Unsqueeze"})


def with_cache(model: ir.Model) -> ir.Model:
    """`model` itself where it is not merged, else another in which the cache is always used."""
    return _branch(model, uses_cache=True) if _is_merged(model) else model


def without_cache(model: ir.Model) -> ir.Model | None:
    """Another in which the cache is never used; None where `model` is not merged."""
    return _branch(model, uses_cache=False) if _is_merged(model) else None


def _is_merged(model: ir.Model) -> bool:
    return any(value.name == BRANCH for value in model.graph.inputs)


def _branch(model: ir.Model, *, uses_cache: bool) -> ir.Model:
    found = model.clone()
    graph = found.graph
    asked = next(value for value in graph.inputs if value.name == BRANCH)
    name = "then_branch" if uses_cache else "else_branch"
    for node in [node for node in graph if node.op_type == "If" and _asks(node.inputs[0], asked)]:
        _inline(graph, node, node.attributes[name].as_graph())
    graph.inputs.remove(asked)
    if asked.uses():
        _always(graph, asked, uses_cache)
    return found


def _asks(condition: ir.Value | None, asked: ir.Value) -> bool:
    while condition is not None and condition is not asked:
        node = condition.producer()
        if node is None or node.op_type not in _PASSED:
            return False
        condition = node.inputs[0]
    return condition is asked


def _inline(graph: ir.Graph, node: ir.Node, branch: ir.Graph) -> None:
    """Let the nodes of `branch` stand where `node` stood, and their results for its own."""
    results = [*branch.outputs]
    branch.outputs.clear()
    for weight in [*branch.initializers.values()]:
        del branch.initializers[str(weight.name)]
        graph.register_initializer(weight)
    inside = [*branch]
    branch.remove(inside)
    graph.insert_before(node, inside)
    for at, (old, result) in enumerate(zip(node.outputs, results, strict=True)):
        new = result
        if result.producer() not in inside or result in results[:at]:
            passed = ir.node("Identity", [result])
            graph.insert_before(node, passed)
            new = passed.outputs[0]
        new.type, new.shape = new.type or old.type, old.shape or new.shape
        name, old.name = old.name, None
        new.name = name
        old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def _always(graph: ir.Graph, asked: ir.Value, answer: bool) -> None:
    """What else reads the input reads whether there is a cache."""
    said = constant(np.asarray([answer]))
    first = next(iter(graph))
    graph.insert_before(first, said)
    asked.replace_all_uses_with(said.outputs[0])

"""Bring the weights and constants of a model into one place: the initializers of its main graph."""

import onnx_ir as ir
from onnx_ir.passes.common import (
    LiftConstantsToInitializersPass,
    LiftSubgraphInitializersToMainGraphPass,
    OutputFixPass,
    RemoveUnusedNodesPass,
)

from stagecut.compiler.frontends.normal_form.unique_names import give_names
from stagecut.compiler.frontends.normal_form.walk import defined


def canonicalise(model: ir.Model) -> None:
    """Lift constants to initializers, out of bodies too, and drop values that nothing reads; names
    become unique."""
    _set_outputs_apart(model.graph)
    OutputFixPass()(model)
    give_names(model)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    LiftSubgraphInitializersToMainGraphPass()(model)
    RemoveUnusedNodesPass()(model)
    while _end_uses_by_removed(model):
        RemoveUnusedNodesPass()(model)
    _settle_weights(model.graph)


def _settle_weights(graph: ir.Graph) -> None:
    """Let weights have the types and shapes of their tensors: what an output of the same name
    declares, or what was inferred of a value before it was folded, may be less, or nothing."""
    for value in graph.initializers.values():
        if value.const_value is not None:
            value.type = ir.TensorType(value.const_value.dtype)
            value.shape = ir.Shape(value.const_value.shape.numpy())


def _end_uses_by_removed(model: ir.Model) -> bool:
    """End the uses of values by nodes in the bodies of removed nodes, which onnx_ir leaves; returns
    whether there were any."""
    graphs = list(model.graphs())
    present = {node for graph in graphs for node in graph}
    left = [
        usage
        for graph in graphs
        for value in defined(graph)
        for usage in value.uses()
        if usage.node not in present
    ]
    for usage in set(left):
        usage.node.replace_input_with(usage.idx, None)
    return bool(left)


def _set_outputs_apart(graph: ir.Graph) -> None:
    """Put an Identity between a constant and an output, so that the constant can be lifted."""
    for index, output in enumerate(graph.outputs):
        producer = output.producer()
        if output.is_initializer() or (producer is not None and producer.op_type == "Constant"):
            identity = ir.node("Identity", [output])
            copy = identity.outputs[0]
            copy.name, copy.type, copy.shape = output.name, output.type, output.shape
            graph.append(identity)
            graph.outputs[index] = copy

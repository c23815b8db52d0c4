"""Bring the weights and constants of a model into one place: the initializers of its main graph."""

import onnx_ir as ir
from onnx_ir.passes.common import (
    LiftConstantsToInitializersPass,
    LiftSubgraphInitializersToMainGraphPass,
    OutputFixPass,
    RemoveUnusedNodesPass,
)

from stagecut.compiler.frontends.names import give_names


def tidy(model: ir.Model) -> None:
    """Lift constants, out of bodies too, and drop what nobody reads; names become unique."""
    _set_outputs_apart(model.graph)
    OutputFixPass()(model)
    give_names(model)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    LiftSubgraphInitializersToMainGraphPass()(model)
    RemoveUnusedNodesPass()(model)


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

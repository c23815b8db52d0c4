"""Settle the type and the shape of every value: infer them, and measure what depends on data.

onnxscript infers while it folds; ONNX Runtime knows the operators that ONNX does not have. What is
open then, such as the output of NonZero, is measured by running the model once.
"""

import onnx_ir as ir

from stagecut.compiler.frontends.normal_form.fold import fold
from stagecut.compiler.frontends.normal_form.ort_inference import infer, measure
from stagecut.compiler.ir.device import Feeds


def settle(model: ir.Model, feeds: Feeds) -> dict[ir.Value, tuple[int, ...]]:
    """Type every value of the main graph and bind its shape, starting from the inputs'.

    Returns the shapes that had to be measured with `feeds`; in the model these stay open. Raises
    ModelError when ONNX Runtime cannot run the model.
    """
    forget(model.graph)
    fold(model)
    while unsettled := _unsettled(model.graph):
        infer(model, unsettled)
        left = _unsettled(model.graph)
        if len(left) == len(unsettled):
            return measure(model, left, feeds)
        fold(model)
    return {}


def forget(graph: ir.Graph) -> None:
    """What a file says of the values inside was true of other inputs."""
    for node in graph:
        for output in node.outputs:
            output.type = output.shape = None


def _unsettled(graph: ir.Graph) -> list[ir.Value]:
    return [
        output for node in graph for output in node.outputs if output.name and not _settled(output)
    ]


def _settled(value: ir.Value) -> bool:
    if isinstance(value.type, ir.TensorType):
        return value.shape is not None and value.shape.is_static()
    return value.type is not None  # sequences and optionals have no shape of their own

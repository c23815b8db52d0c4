"""Find the type and the shape of every value: infer them, and measure those that depend on data.

onnxscript infers while it folds; ONNX Runtime knows the operators that ONNX does not have. A shape
that is still open then, such as that of the output of NonZero, is measured by running the model
once.
"""

import onnx_ir as ir

from stagecut.compiler.frontends.normal_form.fold import fold
from stagecut.compiler.frontends.normal_form.ort_inference import infer, measure
from stagecut.compiler.ir.device import Feeds


def infer_shapes(model: ir.Model, feeds: Feeds) -> dict[ir.Value, tuple[int, ...]]:
    """Type every value of the main graph and bind its shape, starting from the inputs'.

    Returns the shapes that had to be measured with `feeds`; in the model these stay open. Raises
    ModelError when ONNX Runtime cannot run the model.
    """
    clear_shapes(model.graph)
    fold(model)
    while unbound := _open_values(model.graph):
        infer(model, unbound)
        left = _open_values(model.graph)
        if len(left) == len(unbound):
            return measure(model, left, feeds)
        fold(model)
    return {}


def clear_shapes(graph: ir.Graph) -> None:
    """Clear types and shapes of inner values: those in a file may belong to other input shapes."""
    for node in graph:
        for output in node.outputs:
            output.type = output.shape = None


def _open_values(graph: ir.Graph) -> list[ir.Value]:
    return [
        output for node in graph for output in node.outputs if output.name and not _is_bound(output)
    ]


def _is_bound(value: ir.Value) -> bool:
    if isinstance(value.type, ir.TensorType):
        return value.shape is not None and value.shape.is_static()
    return value.type is not None  # sequences and optionals have no shape of their own

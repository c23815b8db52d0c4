"""Find the type and the shape of every value: infer them, and measure those that depend on data.

onnxscript infers while it folds; ONNX Runtime knows the operators that ONNX does not have. A shape
that is still open then, such as that of the output of NonZero, is measured by running the model
once.
"""

from collections.abc import Callable

import onnx_ir as ir

from stagecut.compiler.frontends.normal_form.fold import fold
from stagecut.compiler.frontends.normal_form.ort_inference import infer, measure
from stagecut.compiler.frontends.normal_form.widen import has_narrow, widen
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import ModelError


def infer_shapes(
    model: ir.Model, feeds: Feeds, spare: Callable[[], ir.Model] | None = None
) -> tuple[ir.Model, dict[ir.Value, tuple[int, ...]]]:
    """Type every value of the main graph of `model` and bind its shape, starting from the inputs'.

    Returns the model, and the shapes that had to be measured with `feeds`; in the model these stay
    open. Raises ModelError when ONNX Runtime cannot run the model.

    `spare` makes the same model with open inputs, for one with branches or loops: one of them may
    not fit the shapes of the inputs, and never run at these. Where the bound shapes contradict each
    other, it is the spare one that is returned, with all shapes measured.
    """
    try:
        return model, _inferred(model, feeds)
    except ModelError:
        if spare is None:
            raise
    other = spare()
    type_values(other)
    given = {value: feeds[str(value.name)].shape for value in other.graph.inputs}
    return other, {**given, **measure(other, _open_values(other.graph), feeds)}


def type_values(model: ir.Model) -> None:
    """Infer types, and shapes as far as the open shapes of the inputs let them be known."""
    _folded(model, lenient=True)
    untyped = [out for node in model.graph for out in node.outputs if out.name and not out.type]
    if untyped:
        infer(model, untyped)


def _inferred(model: ir.Model, feeds: Feeds) -> dict[ir.Value, tuple[int, ...]]:
    _folded(model)
    while unbound := _open_values(model.graph):
        infer(model, unbound)
        left = _open_values(model.graph)
        if len(left) == len(unbound):
            return measure(model, left, feeds)
        fold(model)
    return {}


def _folded(model: ir.Model, *, lenient: bool = False) -> None:
    """Fold the model, whose inner values have their types and shapes from this: those in a file may
    belong to other input shapes."""
    for node in model.graph:
        for output in node.outputs:
            output.type = output.shape = None
    fold(model, lenient=lenient)
    if has_narrow(model) and widen(model):
        fold(model, lenient=lenient)


def _open_values(graph: ir.Graph) -> list[ir.Value]:
    return [
        output for node in graph for output in node.outputs if output.name and not _is_bound(output)
    ]


def _is_bound(value: ir.Value) -> bool:
    if isinstance(value.type, ir.TensorType):
        return value.shape is not None and value.shape.is_static()
    return value.type is not None  # sequences and optionals have no shape of their own

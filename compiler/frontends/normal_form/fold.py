"""Fold constants: above all the arithmetic on shapes, once the shapes of the inputs are bound.

Before (x: [2, 3, 8]):                  After:
  %s = Shape(%x)
  %b = Gather(%s, 0)
  %t = Concat(%b, [2, -1])              %t: [2, 2, -1]
  %y = Reshape(%x, %t)                  %y = Reshape(%x, %t)
"""

import contextlib

import onnx_ir as ir
from onnxscript.optimizer import fold_constants

from stagecut.compiler.frontends.normal_form.canonicalise import canonicalise
from stagecut.compiler.frontends.quiet import quiet

#: A folded ConstantOfShape may grow to this many elements.
_LARGEST_FILL = 8192

#: Never folded: onnxscript takes the first two for deterministic, and would copy the weight that
#: an Identity passes on.
_KEPT = ("Bernoulli", "Dropout", "Identity")


#: onnxscript rewrites sequences that it can see through into Split and Unsqueeze of this version.
_SEQUENCES_FROM = 13


def fold(model: ir.Model) -> None:
    """Infer types and shapes in node order, and replace nodes that only read constants."""
    if model.opset_imports.get("", _SEQUENCES_FROM) < _SEQUENCES_FROM and _has_sequences(model):
        return
    left_out = [
        output
        for graph in model.graphs()
        for node in graph
        for output in node.outputs
        if not output.name
    ]
    # It stops at a node that it cannot handle; what it has folded before is right.
    with quiet("onnxscript", "onnx_ir"), contextlib.suppress(RuntimeError, ValueError):
        fold_constants(model, onnx_shape_inference=True, should_fold=_should_fold)
    for output in left_out:  # its NameFixPass names them, and operators would then compute them
        output.name = ""
    canonicalise(model)


def _has_sequences(model: ir.Model) -> bool:
    return any("Sequence" in node.op_type for graph in model.graphs() for node in graph)


def _should_fold(node: ir.Node) -> bool | None:
    """Yes, no, or None: by onnxscript's own limits on size."""
    if len(node.outputs) != 1 or node.op_type in _KEPT:
        return False
    if node.op_type == "ConstantOfShape" and node.inputs:
        shape = node.inputs[0]
        if shape is not None and shape.const_value is not None:
            return bool(shape.const_value.numpy().prod() <= _LARGEST_FILL)
    return None

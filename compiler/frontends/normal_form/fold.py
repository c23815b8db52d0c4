"""Fold constants: above all the arithmetic on shapes, once the shapes of the inputs are bound.

Before (x: [2, 3, 8]):                  After:
  %s = Shape(%x)
  %b = Gather(%s, 0)
  %t = Concat(%b, [2, -1])              %t: [2, 2, -1]
  %y = Reshape(%x, %t)                  %y = Reshape(%x, %t)
"""

import contextlib

import onnx_ir as ir
from onnxscript.optimizer._constant_folding import (
    DEFAULT_CONSTANT_FOLD_INPUT_SIZE_LIMIT,
    DEFAULT_CONSTANT_FOLD_OUTPUT_SIZE_LIMIT,
    FoldConstantsPass,
    Replacement,
)

from stagecut.compiler.frontends.normal_form.canonicalise import canonicalise
from stagecut.compiler.frontends.normal_form.endless import refuse_endless
from stagecut.compiler.frontends.normal_form.refuse import (
    forget_after,
    refuse_after,
    refuse_before,
    refuse_contradiction,
)
from stagecut.compiler.frontends.quiet import quiet

#: A folded ConstantOfShape may grow to this many elements.
_LARGEST_FILL = 8192

#: What ONNX's reference evaluator, which computes what is folded, is right about: arithmetic, and
#: moving numbers. Of others it is not (Softmax before opset 13 and BatchNormalization among them).
#: Identity is left out, as folding would copy the weight that it passes on.
_FOLDED = frozenset(
    {
        *("Abs", "Add", "And", "Cast", "CastLike", "Ceil", "Concat", "ConstantOfShape", "Cos"),
        *("CumSum", "Div", "Equal", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherND"),
        *("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul"),
        *("Neg", "NonZero", "Not", "Or", "Pow", "Range", "Reciprocal", "Reshape", "ScatterND"),
        *("Shape", "Sin", "Size", "Slice", "Sqrt", "Squeeze", "Sub", "Tanh", "Tile", "Transpose"),
        *("Trilu", "Unsqueeze", "Where", "Xor"),
    }
)

#: These too, where there is something to reduce.
_REDUCED = frozenset({"ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum"})


#: onnxscript rewrites sequences that it can see through into Split and Unsqueeze of this version.
_SEQUENCES_FROM = 13


def fold(model: ir.Model, *, lenient: bool = False) -> None:
    """Infer types and shapes in node order, and replace nodes that only read constants.

    Raises ModelError for a node that cannot be, or not at these shapes; where it is `lenient`, one
    in a body, which may never run, is left without a shape instead.
    """
    for graph in model.graphs():
        for node in graph:
            refuse_contradiction(node)
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
        _Fold(model.graph, lenient=lenient)(model)
    for output in left_out:  # its NameFixPass names them, and operators would then compute them
        output.name = ""
    canonicalise(model)


class _Fold(FoldConstantsPass):
    """Infers no node that inference would die of. Nodes outside of `main` may never run; where it
    is `lenient`, they may have outputs that cannot be."""

    def __init__(self, main: ir.Graph, *, lenient: bool) -> None:
        super().__init__(
            shape_inference=True,
            input_size_limit=DEFAULT_CONSTANT_FOLD_INPUT_SIZE_LIMIT,
            output_size_limit=DEFAULT_CONSTANT_FOLD_OUTPUT_SIZE_LIMIT,
            should_fold=_should_fold,
        )
        self._main, self._lenient = main, lenient

    def process_node(self, node: ir.Node, is_function: bool) -> Replacement | None:
        refuse_before(node)
        runs = node.graph is self._main
        if runs:
            refuse_endless(node)
        replacement = super().process_node(node, is_function)
        if self._lenient and not runs:
            forget_after(node)
        else:
            refuse_after(node)
        return replacement


def _has_sequences(model: ir.Model) -> bool:
    return any("Sequence" in node.op_type for graph in model.graphs() for node in graph)


def _should_fold(node: ir.Node) -> bool | None:
    """Yes, no, or None: by onnxscript's own limits on size."""
    if len(node.outputs) != 1 or not _is_right(node):
        return False
    if node.op_type == "ConstantOfShape" and node.inputs:
        shape = node.inputs[0]
        if shape is not None and shape.const_value is not None:
            return bool(shape.const_value.numpy().prod() <= _LARGEST_FILL)
    return None


def _is_right(node: ir.Node) -> bool:
    """Whether the reference evaluator answers as ONNX has it; all operands are weights."""
    tensors = [value.const_value for value in node.inputs if value and value.const_value]
    if node.domain or any(tensor.dtype == ir.DataType.STRING for tensor in tensors):
        return False
    if node.op_type in _REDUCED:
        return all(tensor.size for tensor in tensors)
    if node.op_type == "Slice":  # its ends are numpy's, which are others where steps go back
        steps = node.inputs[4].const_value if len(node.inputs) > 4 and node.inputs[4] else None
        return steps is None or bool((steps.numpy() > 0).all())
    if node.op_type == "Unsqueeze" and "axes" in node.attributes:  # negative ones count differently
        axes = node.attributes["axes"].as_ints()
        return len(axes) == 1 or min(axes, default=0) >= 0
    if node.op_type == "Pow":
        return all(tensor.dtype.is_floating_point() for tensor in tensors)
    return node.op_type in _FOLDED

"""Refuse nodes that would take the process down: ONNX's own inference of shapes, which ONNX Runtime
has too, reads beyond its arrays, or never ends, on some that contradict themselves or their inputs.

    no size             an output is of size -3: its inputs are too small, and Slice aborts on it
    a contradiction     Split into 2 parts with 3 outputs; GatherND with -1 batch dimensions
    beyond any rank     LayerNormalization along axis 2^31, Expand to 2^62 dimensions
"""

from collections.abc import Iterator

import onnx_ir as ir

from stagecut.compiler.ir.errors import ModelError

#: No tensor of any engine has more dimensions.
_MOST_DIMENSIONS = 1000


def refuse_contradiction(node: ir.Node) -> None:
    """Raises ModelError for attributes that no inputs could fit."""
    if node.domain:
        return
    for problem in _contradictions(node):
        raise ModelError(problem, where=_where(node), fix="export the model again")


def refuse_before(node: ir.Node) -> None:
    """Raises ModelError for a node on whose inputs inference would not end."""
    shape = node.inputs[1] if node.op_type == "Expand" and len(node.inputs) > 1 else None
    length = None if shape is None or not shape.shape else shape.shape[0]
    if isinstance(length, int) and length > _MOST_DIMENSIONS:
        raise ModelError(
            f"would have an output of {length} dimensions",
            where=_where(node),
            fix="give it other inputs: --shape, or --input",
        )


def refuse_after(node: ir.Node) -> None:
    """Raises ModelError for a node whose output would have to be smaller than nothing."""
    for output in _impossible(node):
        raise ModelError(
            f"its output {output.name} would be of shape {output.shape}: its inputs are "
            "too small for it",
            where=_where(node),
            fix="give larger inputs: --shape, or --input",
        )


def forget_after(node: ir.Node) -> None:
    """As `refuse_after` for a node that may never run: what reads the output is not inferred."""
    for output in _impossible(node):
        output.type = output.shape = None


def _impossible(node: ir.Node) -> Iterator[ir.Value]:
    for output in node.outputs:
        if any(isinstance(size, int) and size < 0 for size in output.shape or ()):
            yield output


def _contradictions(node: ir.Node) -> Iterator[str]:
    parts = _whole(node, "num_outputs")
    if node.op_type == "Split" and parts not in (None, len(node.outputs)):
        yield f"splits into {parts} parts, and has {len(node.outputs)} outputs"
    batch = _whole(node, "batch_dims")
    if node.op_type == "GatherND" and batch is not None and batch < 0:
        yield f"has {batch} batch dimensions"
    axis = _whole(node, "axis")
    if axis is not None and abs(axis) > _MOST_DIMENSIONS:
        yield f"works along axis {axis}, which no tensor has"


def _whole(node: ir.Node, name: str) -> int | None:
    """The whole number that an attribute holds; None where there is none."""
    attribute = node.attributes.get(name)
    if attribute is None or attribute.is_ref() or attribute.type != ir.AttributeType.INT:
        return None
    return attribute.as_int()


def _where(node: ir.Node) -> str:
    return f"node {node.name or '(unnamed)'} ({node.op_type})"

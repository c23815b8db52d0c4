"""Faults that may come at sizes that a stage leaves open.

When the device is asked about a node, it is told one shape. A stage with open sizes runs at others,
too, where a window may begin in the padding, or a last part be shorter than the rest: such a stage
is refused, and made anew for each shape.
"""

import onnx_ir as ir

from stagecut.backends.openvino import faults
from stagecut.compiler.ir.device import StageProgram, dtype_name
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Attribute, Operator, Value

_PLAIN = (int, float, str, tuple)


def check_open_sizes(stage: StageProgram) -> None:
    """Raises EngineError for an operator whose answer is, or may be, wrong at a size that the stage
    leaves open."""
    graph = stage.model.graph
    for node in graph:
        if all(map(_is_bound, (*node.inputs, *node.outputs))):
            continue
        reason = faults.refusal(_operator(node, graph.opset_imports[node.domain]))
        if reason:
            raise EngineError(
                f"the sizes of {node.name} ({node.op_type}) are known only when it runs: {reason}",
                where=f"stage {stage.name}",
                fix="forbid the node on OpenVINO's devices",
            )


def _is_bound(value: ir.Value | None) -> bool:
    return value is None or (value.shape is not None and value.shape.is_static())


def _operator(node: ir.Node, version: int) -> Operator:
    """As the planning view has it, with faults.UNKNOWN for sizes that are open, and no sizes where
    not even their number is known."""
    attributes: dict[str, Attribute] = {
        name: attribute.value
        for name, attribute in node.attributes.items()
        if isinstance(attribute.value, _PLAIN)
    }
    return Operator(
        node.name or "",
        node.op_type,
        node.domain,
        tuple(None if value is None else _value(value) for value in node.inputs),
        tuple(_value(value) if value.name else None for value in node.outputs),
        attributes=attributes,
        version=version,
    )


def _value(value: ir.Value) -> Value:
    sizes = () if value.shape is None else value.shape.dims
    shape = tuple(size if isinstance(size, int) else faults.UNKNOWN for size in sizes)
    dtype = "unknown" if value.dtype is None else dtype_name(value.dtype)
    return Value(value.name or "", dtype, shape, value.is_initializer())

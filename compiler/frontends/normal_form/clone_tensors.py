"""Give a cloned model tensor objects of its own; the numbers in them are not copied.

onnx_ir's clone shares its tensors with the original, and renaming a value renames its tensor:
without this, renaming in the clone would rename in the caller's model, too.
"""

from collections.abc import Sequence

import onnx_ir as ir

from stagecut.compiler.formats.alias_tensor import AliasTensor
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from stagecut.compiler.ir.errors import ModelError

#: Attributes of a Constant that hold bare numbers.
_NUMBERS = {
    "value_int": ir.AttributeType.INT,
    "value_ints": ir.AttributeType.INTS,
    "value_float": ir.AttributeType.FLOAT,
    "value_floats": ir.AttributeType.FLOATS,
}


def clone_tensors(model: ir.Model) -> None:
    """Replace the tensors of initializers and Constants by new ones with the same numbers."""
    for graph in model.graphs():
        for value in graph.initializers.values():
            if value.const_value is not None:
                value.const_value = _own(value.const_value)
        for node in graph:
            for output in node.outputs:
                output.const_value = None
            if node.op_type == "Constant" and not node.domain:
                _own_constant(node)


def _own_constant(node: ir.Node) -> None:
    """Strings become a tensor on the way: onnx_ir lifts string attributes only if all ASCII."""
    for attribute in tuple(node.attributes.values()):
        match attribute.name, attribute.type:
            case "value", ir.AttributeType.TENSOR:
                tensor = _own(attribute.as_tensor())
            case "value_string", ir.AttributeType.STRING:
                tensor = _strings([attribute.as_string().encode()], ir.Shape(()))
            case "value_strings", ir.AttributeType.STRINGS:
                texts = [text.encode() for text in attribute.as_strings()]
                tensor = _strings(texts, ir.Shape((len(texts),)))
            case name, kind if _NUMBERS.get(name) == kind:
                continue
            case name, kind:
                raise ModelError(
                    f"its value is kept as {name!r} ({kind.name}), which cannot be read",
                    where=f"node {node.name or '(unnamed)'} (Constant)",
                    fix="keep it as a dense tensor in 'value'",
                )
        node.attributes.pop(attribute.name)
        node.attributes.add(ir.AttrTensor("value", tensor))


def _own(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    if isinstance(tensor, QuantisedTensor):  # of a plan: its devices multiply with few bits
        return tensor.called(tensor.name or "")
    if tensor.dtype == ir.DataType.STRING:
        texts = [bytes(text) for text in tensor.numpy().ravel()]
        return _strings(texts, ir.Shape(tensor.shape.numpy()))
    return AliasTensor(tensor)


def _strings(texts: Sequence[bytes], shape: ir.Shape) -> ir.TensorProtocol:
    return ir.StringTensor(texts, shape=shape)

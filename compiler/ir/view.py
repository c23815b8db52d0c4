"""Operators and values of an ONNX model as the planning view has them."""

from collections.abc import Iterator, Mapping

import onnx_ir as ir

from stagecut.compiler.ir.device import dtype_name
from stagecut.compiler.ir.graph import Attribute, Operator, Value

#: Attributes that hold numbers or text; tensors and graphs stay in the program.
_PLAIN = (ir.AttributeType.INT, ir.AttributeType.FLOAT, ir.AttributeType.STRING)
_LISTS = (ir.AttributeType.INTS, ir.AttributeType.FLOATS, ir.AttributeType.STRINGS)


class View:
    """Of one graph, whose shapes are bound; each value becomes one object.

    `measured` are the shapes of values of which the model does not say it, `grows` the axes along
    which values are states.
    """

    def __init__(
        self,
        graph: ir.Graph | ir.GraphView,
        measured: Mapping[str, tuple[int, ...]] | None = None,
        grows: Mapping[ir.Value, int] | None = None,
    ) -> None:
        self._opsets = graph.opset_imports
        self._measured = measured or {}
        self._grows = grows or {}
        self._values: dict[ir.Value, Value] = {}

    def operator(self, node: ir.Node, captured: tuple[Value, ...] = ()) -> Operator:
        """`captured` are the values that its bodies read from outside."""
        return Operator(
            name=node.name or "",
            op=node.op_type,
            domain=node.domain,
            inputs=tuple(None if value is None else self.value(value) for value in node.inputs),
            outputs=tuple(self.value(value) if value.name else None for value in node.outputs),
            captured=captured,
            attributes=dict(_attributes(node)),
            version=self._opsets[node.domain],
        )

    def value(self, value: ir.Value) -> Value:
        if value not in self._values:
            name = value.name or ""
            shape = self._measured[name] if name in self._measured else _bound_shape(value)
            constant, grows = value.is_initializer(), self._grows.get(value)
            self._values[value] = Value(name, _dtype(value.type), shape, constant, grows)
        return self._values[value]


def _bound_shape(value: ir.Value) -> tuple[int, ...]:
    """The shape of a tensor; () for a sequence or optional, whatever its elements are."""
    if value.shape is None or not isinstance(value.type, ir.TensorType):
        return ()
    return value.shape.numpy()


def _attributes(node: ir.Node) -> Iterator[tuple[str, Attribute]]:
    for name, attribute in node.attributes.items():
        if attribute.type in _PLAIN:
            yield name, attribute.value
        elif attribute.type in _LISTS:
            yield name, tuple(attribute.value)


def _dtype(kind: ir.TypeProtocol | None) -> str:
    """numpy's name, "string", or ONNX's word for what is no tensor: "sequence(float32)"."""
    match kind:
        case ir.SequenceType():
            return f"sequence({_dtype(kind.elem_type)})"
        case ir.OptionalType():
            return f"optional({_dtype(kind.elem_type)})"
        case ir.SparseTensorType():
            return f"sparse({dtype_name(kind.dtype)})"
        case ir.TensorType():
            return dtype_name(kind.dtype)
        case _:
            return "unknown"

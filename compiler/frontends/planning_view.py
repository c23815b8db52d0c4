"""The planning view of a program: one Node for each ONNX operator, with bound shapes."""

from collections.abc import Iterator

import onnx_ir as ir

from stagecut.compiler.formats.model_tensors import bodies
from stagecut.compiler.frontends.flops import flops
from stagecut.compiler.frontends.normal_form.walk import defined
from stagecut.compiler.ir.device import dtype_name
from stagecut.compiler.ir.graph import Attribute, Graph, Node, Operator, Value
from stagecut.compiler.ir.program import Program

#: Attributes that hold numbers or text; tensors and graphs stay in the program.
_PLAIN = (ir.AttributeType.INT, ir.AttributeType.FLOAT, ir.AttributeType.STRING)
_LISTS = (ir.AttributeType.INTS, ir.AttributeType.FLOATS, ir.AttributeType.STRINGS)


def graph_of(program: Program) -> Graph:
    """View `program` at the granularity of operators: `Node.op` is the operator's type."""
    graph = program.model.graph
    view = _View(program)
    return Graph(
        program.name,
        tuple(view.node(node) for node in graph),
        tuple(view.value(value) for value in graph.inputs),
        tuple(view.value(value) for value in graph.outputs),
    )


class _View:
    """Makes the parts of one program's view; each value becomes one object."""

    def __init__(self, program: Program) -> None:
        self._opsets = program.model.graph.opset_imports
        self._measured = program.measured
        self._values: dict[ir.Value, Value] = {}

    def node(self, node: ir.Node) -> Node:
        operator = self._operator(node)
        read = {value.name for value in node.outputs if value.uses() or value.is_graph_output()}
        return Node(
            name=operator.name,
            op=operator.op,
            operators=(operator,),
            inputs=tuple(value for value in operator.reads if not value.constant),
            outputs=tuple(value for value in operator.writes if value.name in read),
            weights=tuple(value for value in operator.reads if value.constant),
            flops=flops(operator),
        )

    def _operator(self, node: ir.Node) -> Operator:
        return Operator(
            name=node.name or "",
            op=node.op_type,
            domain=node.domain,
            inputs=tuple(None if value is None else self.value(value) for value in node.inputs),
            outputs=tuple(self.value(value) if value.name else None for value in node.outputs),
            captured=tuple(self.value(value) for value in dict.fromkeys(_captured(node))),
            attributes=dict(_attributes(node)),
            version=self._opsets[node.domain],
        )

    def value(self, value: ir.Value) -> Value:
        if value not in self._values:
            name = value.name or ""
            shape = self._measured[name] if name in self._measured else _bound_shape(value)
            self._values[value] = Value(name, _dtype(value.type), shape, value.is_initializer())
        return self._values[value]


def _bound_shape(value: ir.Value) -> tuple[int, ...]:
    """The shape of a tensor; () for a sequence or optional, whatever its elements are."""
    if value.shape is None or not isinstance(value.type, ir.TensorType):
        return ()
    return value.shape.numpy()


def _captured(node: ir.Node) -> Iterator[ir.Value]:
    """What the bodies of `node`, and bodies inside them, read from outside of `node`."""
    for body in bodies(node):
        own = set(defined(body))
        for inner in body:
            for value in (*inner.inputs, *_captured(inner)):
                if value is not None and value not in own:
                    yield value


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

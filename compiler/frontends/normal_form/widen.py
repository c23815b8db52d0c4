"""Types that numpy or an engine lacks (bfloat16, float8, int4), by way of types that hold them.

At the border of a model, standard types carry these (compiler/ir/border.py):

    x: bfloat16 -> y: bfloat16        x: float32 -> Cast -> ... -> Cast -> y: float32

Inside, an operator for which ONNX Runtime has no kernel computes in the wider type, and its result
is rounded as the operator's own would be:

    z = Add(a, b)                     z = Cast(Add(Cast(a), Cast(b)))
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from stagecut.compiler.formats.model_tensors import bodies
from stagecut.compiler.frontends.normal_form.ort_inference import returned_types
from stagecut.compiler.frontends.normal_form.unique_names import give_names
from stagecut.compiler.frontends.normal_form.walk import defined
from stagecut.compiler.frontends.quiet import quiet
from stagecut.compiler.ir.border import CARRIERS, carried
from stagecut.compiler.ir.device import as_array

#: Operators whose result depends on the type itself, which a wider one would change.
_BY_TYPE = frozenset({"Cast", "CastLike", "BitCast", "QuantizeLinear"})

#: The carriers by what ONNX calls them.
_CARRIERS = {
    ir.DataType.from_numpy(np.dtype(name)): ir.DataType.from_numpy(np.dtype(carrier))
    for name, carrier in CARRIERS.items()
}


def has_narrow(model: ir.Model) -> bool:
    """Whether there is anything to do: few models have such types."""
    return any(_carrier(value) for graph in model.graphs() for value in defined(graph))


def carry_inputs(model: ir.Model) -> None:
    """Let every input of a type that numpy lacks come in the type that carries it."""
    graph = model.graph
    for index, value in enumerate(graph.inputs):
        carrier = _carrier(value)
        if carrier is None:
            continue
        outside = ir.Value(name=value.name, type=ir.TensorType(carrier), shape=value.shape)
        cast = _cast(outside, value.dtype)
        value.replace_all_uses_with(cast.outputs[0])
        graph.inputs[index] = outside
        if len(graph):
            graph.insert_before(graph[0], cast)
    give_names(model)


def carry_outputs(model: ir.Model) -> dict[ir.Value, ir.Value]:
    """The same for outputs; returns what these were, by what they are now."""
    were: dict[ir.Value, ir.Value] = {}
    for index, value in enumerate(model.graph.outputs):
        carrier = _carrier(value)
        if carrier is not None:
            cast = _cast(value, carrier)
            cast.outputs[0].name, value.name = value.name, None
            model.graph.append(cast)
            model.graph.outputs[index] = cast.outputs[0]
            were[cast.outputs[0]] = value
    give_names(model)
    return were


def widen(model: ir.Model) -> bool:
    """Let operators that ONNX Runtime lacks for the types of their operands compute in wider ones;
    returns whether there were any."""
    with quiet("onnx_ir"):  # ONNX Runtime would tell types only of what it can run
        ShapeInferencePass(check_type=False, strict_mode=False)(model)
    widener = _Widener(model)
    nodes = [(node, graph) for graph in model.graphs() for node in graph]
    widened = [
        widener(node, graph) for node, graph in nodes if _is_narrow(node, model.opset_imports)
    ]
    give_names(model)
    return any(widened)


def _carrier(value: ir.Value | None) -> ir.DataType | None:
    """The type that carries the value's; None for standard types, and for what is no tensor."""
    dtype = _dtype(value)
    return None if dtype is None else _CARRIERS.get(dtype)


def _dtype(value: ir.Value | None) -> ir.DataType | None:
    return value.dtype if value is not None and isinstance(value.type, ir.TensorType) else None


def _is_narrow(node: ir.Node, opsets: Mapping[str, int]) -> bool:
    """Whether it has operands to be carried, which ONNX lets it have."""
    narrow = [at for at, value in enumerate(node.inputs) if _carrier(value)]
    if not narrow or node.op_type in _BY_TYPE or any(True for _ in bodies(node)):
        return False
    version = opsets.get(node.domain, 1)
    return all(_takes(node, at, _dtype(node.inputs[at]), version) for at in narrow)


def _takes(node: ir.Node, at: int, dtype: ir.DataType | None, version: int) -> bool:
    """Whether the operator's operand `at` may be of `dtype`; nobody says so of other domains."""
    if node.domain or dtype is None:
        return True
    schema = onnx.defs.get_schema(node.op_type, version)
    formal = schema.inputs[min(at, len(schema.inputs) - 1)]
    return f"tensor({dtype.name.lower()})" in formal.types


class _Widener:
    """Widens nodes of one model. Copies of weights are made once, when their numbers are needed."""

    def __init__(self, model: ir.Model) -> None:
        self._model = model
        self._weights: dict[ir.Value, ir.Value] = {}

    def __call__(self, node: ir.Node, graph: ir.Graph) -> bool:
        """Let `node` compute in wider types, if there is a kernel for that and none for its own."""
        if self._results(node, [_dtype(value) for value in node.inputs]) is not None:
            return False
        results = self._results(node, [_carrier(value) or _dtype(value) for value in node.inputs])
        if results is None or not all(map(_returns, node.outputs, results)):
            return False
        for index, value in enumerate(node.inputs):
            carrier = _carrier(value)
            if value is not None and carrier is not None:
                node.replace_input_with(index, self._wide(value, carrier, node, graph))
        for value, result in zip(node.outputs, results, strict=True):
            if result is not None and value.dtype != result:
                _round(value, result, node, graph)
        return True

    def _wide(
        self, value: ir.Value, carrier: ir.DataType, node: ir.Node, graph: ir.Graph
    ) -> ir.Value:
        """`value` as a `carrier`, to be read by `node` of `graph`."""
        tensor = value.const_value
        if tensor is None or not value.is_initializer():
            cast = _cast(value, carrier)
            graph.insert_before(node, cast)
            return cast.outputs[0]
        if value not in self._weights:
            self._weights[value] = self._copy(value, tensor, carrier)
        return self._weights[value]

    def _copy(self, value: ir.Value, tensor: ir.TensorProtocol, carrier: ir.DataType) -> ir.Value:
        name = f"{value.name}_{carrier.name.lower()}"
        while name in self._model.graph.initializers:
            name += "_"
        shape = ir.Shape(tensor.shape.numpy())
        wide = ir.LazyTensor(
            lambda: ir.Tensor(carried(as_array(tensor))), carrier, shape, name=name
        )
        copy = ir.Value(name=name, type=ir.TensorType(carrier), shape=shape, const_value=wide)
        self._model.graph.register_initializer(copy)
        return copy

    def _results(
        self, node: ir.Node, dtypes: Sequence[ir.DataType | None]
    ) -> list[ir.DataType | None] | None:
        """The types that the operator returns for operands of `dtypes`, None for those that are
        left out; None where ONNX Runtime cannot run it."""
        inputs = [
            None
            if value is None or dtype is None
            else ir.Value(name=f"i{at}", type=ir.TensorType(dtype), shape=value.shape)
            for at, (value, dtype) in enumerate(zip(node.inputs, dtypes, strict=True))
        ]
        outputs = [ir.Value(name=value.name and f"o{at}") for at, value in enumerate(node.outputs)]
        attributes = tuple(node.attributes.values())
        graph = ir.Graph(
            [value for value in inputs if value is not None],
            [value for value in outputs if value.name],
            nodes=[ir.Node(node.domain, node.op_type, inputs, attributes, outputs=outputs)],
            opset_imports=self._model.opset_imports,
            name="alone",
        )
        types = returned_types(ir.Model(graph, ir_version=self._model.ir_version))
        if types is None:
            return None
        left = iter(types)
        return [next(left).dtype if value.name else None for value in outputs]


def _returns(value: ir.Value, result: ir.DataType | None) -> bool:
    """Whether a result of the wider operator is the value's own or can be cast to it."""
    return result in (None, value.dtype, _carrier(value))


def _round(value: ir.Value, result: ir.DataType, node: ir.Node, graph: ir.Graph) -> None:
    """Cast `value`, which is a `result` now, to what it was for all that read it."""
    cast = _cast(value, value.dtype)
    rounded = cast.outputs[0]
    value.replace_all_uses_with(rounded, replace_graph_outputs=True)
    cast.replace_input_with(0, value)
    rounded.name, value.name = value.name, None
    value.type = ir.TensorType(result)
    graph.insert_after(node, cast)


def _cast(value: ir.Value, dtype: ir.DataType | None) -> ir.Node:
    """Infinities stay what they are where the type has them."""
    to = dtype or ir.DataType.UNDEFINED
    attributes = {"to": int(to), **({"saturate": 0} if to.name.startswith("FLOAT8") else {})}
    cast = ir.node("Cast", [value], attributes)
    cast.outputs[0].name, cast.outputs[0].shape = value.name, value.shape
    cast.outputs[0].type = ir.TensorType(to)
    return cast

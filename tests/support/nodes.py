"""Small nodes for tests, written in ONNX's own text syntax, with the stage that runs them.

sample("(float[4, 16] x) => (float[4, 8] y) { y = MatMul(x, w) }", w=weights)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.graph import Attribute, Node, Operator, Value

OPSET = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One node as the planner sees it, and as a stage of its own."""

    node: Node
    stage: StageProgram

    def feeds(self, *, seed: int = 0) -> list[Tensor]:
        """Normally distributed numbers (whole ones for integers) for each input of the stage."""
        rng = np.random.default_rng(seed)
        return [
            np.asarray(rng.standard_normal(value.shape) * 2, value.dtype)
            for value in self.stage.inputs
        ]

    def reference(self, feeds: Iterable[Tensor]) -> list[Tensor]:
        """The outputs by ONNX's own evaluator, in the numbers of the model."""
        evaluator = ReferenceEvaluator(ir.to_proto(self.stage.model))
        names = [value.name for value in self.stage.inputs]
        outputs = evaluator.run(None, dict(zip(names, feeds, strict=True)))
        return [np.asarray(output) for output in outputs]


def sample(text: str, /, **weights: Tensor) -> Sample:
    """The graph `text` as one node; names it reads but nobody writes are found in `weights`."""
    graph = onnx.parser.parse_graph(f"sample {text}")
    graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in weights.items()
    )
    for index, proto in enumerate(graph.node):
        proto.name = f"{proto.op_type}_{index}"
    proto = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10
    )
    onnx.checker.check_model(proto)
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    model = ir.from_proto(inferred)
    node = _node(model.graph)
    return Sample(node, StageProgram("sample", model, node.inputs, node.outputs))


def _node(graph: ir.Graph) -> Node:
    operators = tuple(_operator(proto) for proto in graph)
    weights = [_value(value) for value in graph.initializers.values()]
    return Node(
        name=operators[0].name,
        op="+".join(operator.op for operator in operators),
        operators=operators,
        inputs=tuple(_value(value) for value in graph.inputs),
        outputs=tuple(_value(value) for value in graph.outputs),
        weights=tuple(weights),
        flops=0,
    )


def _operator(node: ir.Node) -> Operator:
    return Operator(
        name=node.name or "",
        op=node.op_type,
        domain=node.domain,
        inputs=tuple(None if value is None else _value(value) for value in node.inputs),
        outputs=tuple(_value(value) for value in node.outputs),
        attributes=_attributes(node.attributes),
        version=OPSET,
    )


def _attributes(attributes: Mapping[str, ir.Attr]) -> dict[str, Attribute]:
    return {
        name: tuple(attribute.value) if isinstance(attribute.value, list) else attribute.value
        for name, attribute in attributes.items()
    }


def _value(value: ir.Value) -> Value:
    assert value.name is not None
    assert value.dtype is not None
    assert value.shape is not None, f"the shape of {value.name} is not known"
    shape = tuple(int(size) for size in value.shape)  # type: ignore[arg-type]
    return Value(value.name, value.dtype.numpy().name, shape, value.is_initializer())

"""The walk over a model's tensors finds each of them, as often as a plain look at the ONNX does."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from stagecut.compiler.formats.model_tensors import tensors
from tests.support.onnx_models import MODELS


def _tensor(name: str) -> TensorProto:
    return numpy_helper.from_array(np.zeros(1, np.float32), name)


def _constant(name: str) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [f"{name} out"], value=_tensor(name))


def _graph(name: str, *nodes: onnx.NodeProto) -> onnx.GraphProto:
    output = helper.make_tensor_value_info(f"{name} out", TensorProto.FLOAT, [1])
    return helper.make_graph(
        [*nodes, _constant(name)], name, [], [output], [_tensor(f"{name} weight")]
    )


def _if(name: str) -> onnx.NodeProto:
    bodies = {"then_branch": _graph(f"{name} then"), "else_branch": _graph(f"{name} else")}
    return helper.make_node("If", ["c"], [f"{name} if"], **bodies)


def _everywhere() -> onnx.ModelProto:
    """A tensor in every place that a model has for one."""
    held = helper.make_attribute("held", _tensor("default"))
    several = helper.make_node("Several", [], ["s"], domain="own")
    several.attribute.append(helper.make_attribute("list", [_tensor("one"), _tensor("two")]))
    function = helper.make_function(
        "own",
        "F",
        ["c"],
        ["function out"],
        [_if("function"), _constant("function")],
        [helper.make_opsetid("", 18)],
        attribute_protos=[held],
    )
    graph = _graph("main", several, _if("main"))
    graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=[function], ir_version=10)


def _named(message: Any) -> Iterator[str]:
    """The names of all tensors below a message, by its fields alone."""
    if isinstance(message, TensorProto):
        yield message.name
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                yield from _named(each)


PROTOS = {"everywhere": _everywhere, **{name: model.proto for name, model in MODELS.items()}}


@pytest.mark.parametrize("proto", PROTOS.values(), ids=PROTOS.keys())
def test_each_is_found_once(proto: Any) -> None:
    model = proto()
    found = [kept.tensor.name or "" for kept in tensors(ir.from_proto(model))]
    assert sorted(found) == sorted(_named(model))


def test_each_can_be_replaced() -> None:
    model = ir.from_proto(_everywhere())
    for kept in tensors(model):
        kept.replace(ir.tensor(np.ones(1, np.float32), name=kept.tensor.name))
    assert [kept.tensor.numpy()[0] for kept in tensors(model)] == [1] * 14


def test_weights_of_the_main_graph_are_told_apart() -> None:
    found = tensors(ir.from_proto(_everywhere()))
    assert [kept.tensor.name for kept in found if kept.initializer] == ["main weight"]

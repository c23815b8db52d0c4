"""Nodes that inference would die of are told from those that it infers."""

import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.normal_form.refuse import (
    forget_after,
    refuse_after,
    refuse_before,
    refuse_contradiction,
)
from stagecut.compiler.ir.errors import ModelError


def _value(*shape: int | None) -> ir.Value:
    return ir.Value(name="v", shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.FLOAT))


def _node(op: str, outputs: int = 1, **attributes: int) -> ir.Node:
    return ir.node(op, [_value(2), _value(3)], attributes, num_outputs=outputs, name="n")


@pytest.mark.parametrize(
    "node",
    [
        _node("Split", 2, num_outputs=3),
        _node("GatherND", batch_dims=-1),
        _node("Concat", axis=-(2**31)),
    ],
    ids=lambda node: node.op_type,
)
def test_contradictions(node: ir.Node) -> None:
    with pytest.raises(ModelError, match=rf"node n \({node.op_type}\)"):
        refuse_contradiction(node)


def test_what_is_sound() -> None:
    for node in (
        _node("Split", 2, num_outputs=2),
        _node("Split", 2),
        _node("GatherND", batch_dims=1),
        _node("Concat", axis=-1),
        ir.node("Split", [_value(2)], {"num_outputs": 3}, domain="my"),
        ir.Node("", "Split", [_value(2)], [ir.RefAttr("num_outputs", "n", ir.AttributeType.INT)]),
    ):
        refuse_contradiction(node)
        refuse_before(node)
        refuse_after(node)


def test_a_rank_that_no_tensor_has() -> None:
    for length in (3, None):
        refuse_before(ir.node("Expand", [_value(2), _value(length)]))
    with pytest.raises(ModelError, match="would have an output of 1001 dimensions"):
        refuse_before(ir.node("Expand", [_value(2), _value(1001)]))


def test_sizes_below_zero() -> None:
    node = ir.node("Conv", [_value(2)])
    node.outputs[0].shape = ir.Shape([None, 0, -1])
    with pytest.raises(ModelError, match=r"would be of shape \[None,0,-1\]"):
        refuse_after(node)
    forget_after(node)
    assert node.outputs[0].shape is None
    refuse_after(node)

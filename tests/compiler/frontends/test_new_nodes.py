"""Nodes that cut a value: run, against numpy."""

import numpy as np
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.new_nodes import END, cut, number
from tests.support.reference import run_reference

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def _run(x: ir.Value, nodes: list[ir.Node]) -> np.ndarray:
    [result] = nodes[-1].outputs
    result.name = "y"
    graph = ir.Graph([x], [result], nodes=nodes, opset_imports={"": 21})
    [found] = run_reference(ir.to_proto(ir.Model(graph, ir_version=10)), {"x": X})
    return found


def _input() -> ir.Value:
    return ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(X.shape))


@pytest.mark.parametrize(("first", "end", "axis"), [(-1, END, 1), (0, 1, 0), (1, 3, 2)])
def test_a_cut(first: int, end: int, axis: int) -> None:
    x = _input()
    expected = X[(slice(None),) * axis + (slice(first, min(end, X.shape[axis])),)]
    np.testing.assert_array_equal(_run(x, cut(x, first, end, axis)), expected)


def test_a_cut_that_begins_where_a_value_says() -> None:
    x, one = _input(), number(1)
    np.testing.assert_array_equal(_run(x, [one, *cut(x, one.outputs[0], END, 2)]), X[..., 1:])


def test_a_number_of_no_dimension() -> None:
    held = number(7, rank=0).attributes["value"].as_tensor()
    assert (held.shape.numpy(), held.dtype) == ((), ir.DataType.INT64)

"""What nodes do, by the operators that they are made of."""

from dataclasses import replace

import pytest

from stagecut.backends.server.work import WorkingSet, works_of
from stagecut.compiler.ir.graph import Graph, Node, Operator, Value

X = Value("x", "float32", (2, 3, 8))
W = Value("w", "float32", (8, 4), constant=True)
Y = Value("y", "float32", (2, 3, 4))
TABLE = Value("table", "float32", (1000, 8), constant=True)
IDS = Value("ids", "int64", (2, 3))


def _node(name: str, op: str, reads: list[Value], writes: Value, flops: int = 0) -> Node:
    operator = Operator(name, op, "", tuple(reads), (writes,))
    weights = tuple(value for value in reads if value.constant)
    inputs = tuple(value for value in reads if not value.constant)
    return Node(name, op, (operator,), inputs, (writes,), weights, flops)


def test_a_product_has_rows_and_weights() -> None:
    product = _node("product", "MatMul", [X, W], Y, 384)
    [work] = works_of(Graph("g", (product,), (X,), (Y,)))
    assert (work.kind, work.rows, work.flops) == ("product", 6, 384)
    assert (work.weight_bytes, work.read_bytes, work.written_bytes) == (128, 192, 96)
    assert work.elements == 24


def test_of_a_table_only_what_is_looked_up_counts() -> None:
    [work] = works_of(Graph("g", (_node("rows", "Gather", [TABLE, IDS], X),), (IDS,), (X,)))
    assert (work.kind, work.weight_bytes, work.written_bytes) == ("move", 0, 192)


def test_what_does_nothing_is_left_out() -> None:
    flat = Value("flat", "float32", (6, 8))
    assert works_of(Graph("g", (_node("shape", "Reshape", [X], flat),), (X,), (flat,))) == ()


@pytest.mark.parametrize(("group", "kind", "rows"), [(1, "product", 30), (4, "map", 1)])
def test_a_convolution_of_single_channels_is_no_product(group: int, kind: str, rows: int) -> None:
    image, filters = Value("i", "float32", (1, 4, 5, 6)), Value("f", "float32", (4, 1, 3, 3), True)
    node = _node("conv", "Conv", [image, filters], Value("o", "float32", (1, 4, 5, 6)), 100)
    grouped = replace(node.operators[0], attributes={"group": group})
    node = replace(node, operators=(grouped,))
    [work] = works_of(Graph("g", (node,), (image,), node.outputs))
    assert (work.kind, work.rows) == (kind, rows)


def test_the_working_set_has_all_weights_and_the_largest_values() -> None:
    node = _node("product", "MatMul", [X, W], Y, 384)
    other = _node("sum", "Add", [Y, Y], Value("z", "float32", (2, 3, 4)))
    works = works_of(Graph("g", (node, other), (X,), (other.outputs[0],)))
    assert WorkingSet.of(works) == WorkingSet(128, 192 + 96)

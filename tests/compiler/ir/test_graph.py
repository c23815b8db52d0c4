"""The planning view: what is refused, who writes and who reads, and what values weigh."""

import pytest

from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.graph import Graph, Operator, Value
from tests.support.graphs import graph

RESIDUAL = graph("x", "h = MatMul(x, W)\nr = Relu(h)\ns = Add(r, x)\ny = MatMul(s, W)", "y, h")


def test_who_writes_and_who_reads() -> None:
    assert RESIDUAL.producer == {"h": 0, "r": 1, "s": 2, "y": 3}
    assert RESIDUAL.users == {"x": (0, 2), "h": (1,), "r": (2,), "s": (3,)}
    assert RESIDUAL.node_named["s"] is RESIDUAL.nodes[2]


def test_values_and_weights_each_once() -> None:
    assert [value.name for value in RESIDUAL.values] == ["x", "h", "r", "s", "y"]
    assert [weight.name for weight in RESIDUAL.weights] == ["W"]
    assert RESIDUAL.nodes[0].weight_bytes == 16


def test_a_node_says_what_it_does() -> None:
    assert str(RESIDUAL.nodes[2]) == "%s:float32[2x2] = Add(%r, %x)  # s"


def test_a_node_that_reads_too_early() -> None:
    with pytest.raises(ModelError, match="reads 'b' before anything has written it") as error:
        graph("x", "a = Relu(b)\nb = Relu(x)", "a")
    assert error.value.where == "node a (Relu)"


def test_two_nodes_of_one_name() -> None:
    [node] = graph("x", "a = Relu(x)", "a").nodes
    with pytest.raises(ModelError, match="two nodes have this name"):
        Graph("g", (node, node), RESIDUAL.inputs, ())


#: A value's type, its shape, how many bytes it has, and whether it can leave its engine.
VALUES = {
    "floats": ("float32", (2, 3), 24, True),
    "a scalar": ("float64", (), 8, True),
    "nothing": ("float32", (0, 3), 0, True),
    "half floats of eight bits": ("bfloat16", (2,), 4, False),
    "strings": ("string", (2,), 32, True),
    "a sequence": ("sequence(float32)", (), 0, False),
}


@pytest.mark.parametrize(
    ("dtype", "shape", "size_bytes", "portable"), VALUES.values(), ids=VALUES.keys()
)
def test_values(dtype: str, shape: tuple[int, ...], size_bytes: int, portable: bool) -> None:
    value = Value("v", dtype, shape)
    assert (value.size_bytes, value.portable) == (size_bytes, portable)


def test_an_operator_reads_each_value_once_and_what_its_bodies_capture() -> None:
    x, h = Value("x", "float32", ()), Value("h", "float32", ())
    operator = Operator("if", "If", "", (x, None, x), (None, h), captured=(h, x))
    assert operator.reads == (x, h)
    assert operator.writes == (h,)

"""One node out of several: its name, its operator, what it reads and writes."""

from stagecut.passes.cluster.joined import joined
from tests.support.graphs import graph


def test_joined() -> None:
    found = graph("x", "q = MatMul(x, W)\nr = Reshape(q)\ny = Add(r, x)", "y")
    node = joined(found.nodes, found.nodes[-1].outputs)
    assert node.op == "MatMul+Add"
    assert [value.name for value in node.inputs] == ["x"]
    assert [value.name for value in node.weights] == ["W"]
    assert [value.name for value in node.outputs] == ["y"]
    assert len(node.operators) == 3


def test_views_alone_are_named() -> None:
    found = graph("x", "q = Reshape(x)\ny = Transpose(q)", "y")
    assert joined(found.nodes, found.nodes[-1].outputs).op == "Reshape+Transpose"

"""Clusters: what merges, what stays apart, and that nothing is lost by it."""

import pytest
from hypothesis import given

from stagecut.backends.null import device as null
from stagecut.backends.null.device import NullBackend
from stagecut.compiler.ir.graph import Graph
from stagecut.passes.cluster.cluster import Cluster
from tests.support.graphs import drawn, graph, graphs

DEVICES: dict[str, NullBackend] = {
    "cpu": null.create("cpu", {}),
    "pim": null.create("pim", {"operators": "MatMul+Add+Mul+Reshape"}),
}

CASES = {
    "a bias joins its matrix product": (
        ("x", "q = MatMul(x, W)\ny = Add(q, B)", "y"),
        "y = MatMul+Add(x, W, B)",
    ),
    "two heavy operators stay apart": (
        ("x", "q = MatMul(x, W)\ny = MatMul(q, V)", "y"),
        "q = MatMul(x, W)\ny = MatMul(q, V)",
    ),
    "what only one device can run stays apart from what both can": (
        ("x", "q = MatMul(x, W)\ny = Softmax(q)", "y"),
        "q = MatMul(x, W)\ny = Softmax(q)",
    ),
    "a value with two readers ends a cluster": (
        ("x", "q = MatMul(x, W)\na = Add(q, B)\nb = Mul(q, C)", "a, b"),
        "q = MatMul(x, W)\na = Add(q, B)\nb = Mul(q, C)",
    ),
    "a value that is handed back may still be read inside": (
        ("x", "q = MatMul(x, W)\ny = Add(q, B)", "q, y"),
        "q, y = MatMul+Add(x, W, B)",
    ),
    "a reshape joins the reader that can run it wherever it runs": (
        ("x", "r = Reshape(x)\ny = MatMul(r, W)", "y"),
        "y = MatMul(x, W)",
    ),
    "a transpose goes with the reader that loses no device by it": (
        ("x", "q = MatMul(x, W)\nt = Transpose(q)\ny = Softmax(t)", "y"),
        "q = MatMul(x, W)\ny = Softmax(q)",
    ),
    "a transpose goes with the writer that loses no device by it": (
        ("x", "s = Softmax(x)\nt = Transpose(s)\ny = MatMul(t, W)", "y"),
        "t = Softmax(x)\ny = MatMul(t, W)",
    ),
    "a transpose between two products would take the pim from either, so it stays alone": (
        ("x", "q = MatMul(x, W)\nt = Transpose(q)\ny = MatMul(t, V)", "y"),
        "q = MatMul(x, W)\nt = Transpose(q)\ny = MatMul(t, V)",
    ),
    "a view that everybody reads joins its first reader": (
        ("x", "m = Reshape(x)\na = MatMul(m, W)\nb = MatMul(m, V)", "a, b"),
        "m, a = MatMul(x, W)\nb = MatMul(m, V)",
    ),
    "a view of shape integers joins what uses it": (
        ("x", "s = Shape(x)\ny = Reshape(x, s)\nz = MatMul(y, W)", "z"),
        "s = Shape(x)\nz = MatMul(x, s, W)",
    ),
    "a residual is not closed into a cycle": (
        ("x", "a = MatMul(x, W)\nb = MatMul(a, V)\ny = Add(b, a)", "y"),
        "a = MatMul(x, W)\ny = MatMul+Add(a, V)",
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_cluster(before: tuple[str, str, str], after: str) -> None:
    assert drawn(Cluster(DEVICES)(graph(*before))) == after


def test_values_that_cannot_leave_an_engine_join_writer_readers_and_all_between() -> None:
    text = "s = SequenceConstruct(x)\na = SequenceAt(s)\nb = Softmax(a)\ny = SequenceInsert(s, b)"
    merged = Cluster(DEVICES, "op")(graph("x", text, "y", s="sequence(float32)"))
    assert drawn(merged) == "y = SequenceConstruct+SequenceAt+Softmax+SequenceInsert(x)"


def test_operator_granularity_leaves_every_operator_alone() -> None:
    before = graph("x", "q = MatMul(x, W)\nr = Reshape(q)\ny = Add(r, B)", "y")
    assert Cluster(DEVICES, "op")(before) == before


@given(graphs())
def test_every_operator_is_kept_and_real_work_keeps_its_devices(before: Graph) -> None:
    after = Cluster(DEVICES)(before)
    kept = [operator for node in after.nodes for operator in node.operators]
    assert sorted(op.name for op in kept) == sorted(node.name for node in before.nodes)
    for node in after.nodes:
        able = {name for name, backend in DEVICES.items() if backend.supports(node)}
        working = [op for op in node.operators if op.op not in {"Reshape", "Transpose"}]
        for operator in working:
            alone = next(single for single in before.nodes if single.name == operator.name)
            assert able == {name for name, b in DEVICES.items() if b.supports(alone)}


@given(graphs())
def test_the_result_is_in_topological_order_and_says_the_same_twice(before: Graph) -> None:
    after = Cluster(DEVICES)(before)  # Graph itself refuses any other order
    assert after == Cluster(DEVICES)(before)
    assert after.outputs == before.outputs


def test_what_goes_over_a_link_is_between_two_nodes() -> None:
    before = graph("x", "q = MatMul(x, W)\na = Add(q, B)\nb = Mul(a, C)", "b")
    merged = Cluster(DEVICES)(before)
    apart = Cluster(DEVICES, wire=frozenset({"a"}))(before)
    assert [node.op for node in merged.nodes] == ["MatMul+Add+Mul"]
    assert [node.op for node in apart.nodes] == ["MatMul+Add", "Mul"]

"""Stages: how few there are, and in which order they run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.graph import Graph
from stagecut.passes.stage.stage import execution_order
from tests.support.graphs import graph, graphs

CASES = {
    "nodes on one device follow each other": (
        "a = Relu(x)\nb = Relu(a)\ny = Relu(b)",
        "a:p b:p y:p",
        "p: a b y",
    ),
    "the graph's order is kept where no other makes fewer stages": (
        "a = Relu(x)\nb = Relu(a)\ny = Relu(b)",
        "a:p b:q y:p",
        "p: a | q: b | p: y",
    ),
    "a node that is ready goes with its own device": (
        "a = Relu(x)\nb = Relu(a)\nc = Relu(a)\ny = Add(b, c)",
        "a:p b:q c:p y:q",
        "p: a c | q: b y",
    ),
    "the device with the earliest ready node is next": (
        "a = Relu(x)\nb = Relu(x)\nc = Relu(x)\nd = Relu(a)\ny = Add(b, c, d)",
        "a:q b:p c:q d:q y:p",
        "q: a c d | p: b y",
    ),
}


@pytest.mark.parametrize(("text", "placed", "expected"), CASES.values(), ids=CASES.keys())
def test_order(text: str, placed: str, expected: str) -> None:
    devices = dict(item.split(":") for item in placed.split())
    found = graph("x", text, "y")
    assert _stages(found, Assignment(devices)) == expected


def _stages(found: Graph, assignment: Assignment) -> str:
    stages: list[tuple[str, list[str]]] = []
    for node in execution_order(found, assignment):
        device = assignment[node.name]
        if not stages or stages[-1][0] != device:
            stages.append((device, []))
        stages[-1][1].append(node.name)
    return " | ".join(f"{device}: {' '.join(names)}" for device, names in stages)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_is_topological_and_never_makes_more_stages(found: Graph, random: object) -> None:
    choose = getattr(random, "choice")  # noqa: B009  # hypothesis does not type it
    assignment = Assignment({node.name: choose(["p", "q", "r"]) for node in found.nodes})
    order = execution_order(found, assignment)
    Graph("ordered", order, found.inputs, found.outputs)  # raises unless topological
    assert len(order) == len(found.nodes)
    given_order = " | ".join(assignment[node.name] for node in found.nodes)
    own = _runs([assignment[node.name] for node in found.nodes])
    assert _runs([assignment[node.name] for node in order]) <= own, given_order


def _runs(devices: list[str]) -> int:
    return sum(1 for i, name in enumerate(devices) if i == 0 or devices[i - 1] != name)

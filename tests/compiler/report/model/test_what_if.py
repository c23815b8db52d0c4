"""Moving one node: the quick answer equals the plan added up again."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stagecut.compiler.ir.account import evaluate
from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import AssignmentError
from stagecut.compiler.ir.machine import Device, Link, Machine, Memory
from stagecut.compiler.report.model.what_if import Elsewhere
from tests.support.manifests import mixed

MACHINE = Machine(
    (Memory("host"), Memory("pim"), Memory("far")),
    (
        Device("serial", "host", stage_s=0.5),
        Device("parallel", "host", stage_s=2),
        Device("pim", "pim", stage_s=1),
        Device("far", "far"),
    ),
    (Link("host", "pim", 1, 8), Link("pim", "host", 2, 4), Link("pim", "far", 3, 2)),
)
DEVICES = tuple(device.name for device in MACHINE.devices)


@st.composite
def placed_tables(draw: st.DrawFn) -> tuple[CostTable, dict[str, str]]:
    """Up to 6 nodes of up to 2 outputs each, reading any earlier values, and where they run.

    Nothing leads back from the memory "far", so that some moves cut a node off.
    """
    values = ["x", "free"]
    nodes: list[NodeCosts] = []
    for index in range(draw(st.integers(1, 6))):
        capable = draw(st.sets(st.sampled_from(DEVICES), min_size=1))
        outputs = tuple(f"{index}.{port}" for port in range(draw(st.integers(1, 2))))
        nodes.append(
            NodeCosts(
                name=str(index),
                op="Op",
                run_s={name: draw(st.integers(0, 9)) for name in DEVICES if name in capable},
                inputs=tuple(draw(st.lists(st.sampled_from(values), max_size=3, unique=True))),
                outputs=outputs,
            )
        )
        values += outputs
    ends = draw(st.lists(st.sampled_from(values[2:]), max_size=2, unique=True))
    sizes = {value: draw(st.integers(0, 64)) for value in values}
    table = CostTable(
        name="random",
        machine=MACHINE,
        values=tuple(ValueCosts(value, size_bytes) for value, size_bytes in sizes.items()),
        nodes=tuple(nodes),
        inputs=(Endpoint("x", "host"),),
        outputs=tuple(Endpoint(value, "host") for value in ends),
    )
    return table, {node.name: draw(st.sampled_from(sorted(node.run_s))) for node in nodes}


def total_s(table: CostTable, placed: dict[str, str]) -> float:
    """The slow answer; infinite where a node is cut off."""
    try:
        return evaluate(table, Assignment(placed)).total_s
    except AssignmentError:
        return float("inf")


@given(placed_tables())
def test_the_extra_time_is_the_difference_of_two_totals(
    case: tuple[CostTable, dict[str, str]],
) -> None:
    table, placed = case
    before_s = total_s(table, placed)
    assume(before_s < float("inf"))
    elsewhere = Elsewhere(table, placed, tuple(placed))
    for node in table.nodes:
        for device in node.run_s:
            after_s = total_s(table, {**placed, node.name: device})
            assert elsewhere.extra_s(node.name, device) == pytest.approx(after_s - before_s)


def test_no_single_move_improves_an_optimal_plan() -> None:
    sample = mixed()
    placed = {node.name: node.device for node in sample.manifest.nodes}
    elsewhere = Elsewhere(sample.table, placed, tuple(placed))
    for node in sample.table.nodes:
        assert all(elsewhere.extra_s(node.name, device) >= 0 for device in node.run_s)


def test_a_tie_is_exactly_nothing() -> None:
    """On cpu.serial `add2` runs 2 µs faster, but one more stage starts, for 2 µs."""
    sample = mixed()
    placed = {node.name: node.device for node in sample.manifest.nodes}
    elsewhere = Elsewhere(sample.table, placed, tuple(placed))
    assert elsewhere.extra_s("add2", "cpu.serial") == 0

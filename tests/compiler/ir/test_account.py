"""What an assignment costs, by eye."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from stagecut.compiler.ir.account import evaluate
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError, CostTableError
from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.ir.objective import ENERGY, Objective
from tests.support.tables import US, cost_table, cost_tables, every_assignment, placed

DIAMOND = cost_table("a: cpu 1, pim 1\n b(a): cpu 1, pim 1\n c(a): cpu 1, pim 1\n d(b, c): cpu 1")

CASES = {
    "all on one device": (DIAMOND, "cpu: a, b, c, d", 4),
    "a copy is paid once for two consumers": (DIAMOND, "cpu: a, d; pim: b, c", 4 + 2 + 2 + 2),
    "a branch pays there and back": (DIAMOND, "cpu: a, c, d; pim: b", 4 + 2 + 2),
    "devices of one memory share a value": (
        cost_table("a: cpu 1\n b(a): gang 1\n c(a): pim 1"),
        "cpu: a; gang: b; pim: c",
        3 + 2,
    ),
    "a value that is read twice by a node is moved once": (
        cost_table("a: cpu 1\n b(a, a): pim 1"),
        "cpu: a; pim: b",
        2 + 2,
    ),
    "a bound input is moved to its reader": (
        cost_table("a(x): pim 1", inputs="x@host"),
        "pim: a",
        1 + 2,
    ),
    "a free input is not": (cost_table("a(x): pim 1"), "pim: a", 1),
    "a bound output is moved to its end": (
        cost_table("a: pim 1", outputs="a@host"),
        "pim: a",
        1 + 2,
    ),
    "an output that also has a reader there is moved once": (
        cost_table("a: pim 1\n b(a): cpu 1", outputs="a@host"),
        "pim: a; cpu: b",
        2 + 2,
    ),
    "an input that is an output is moved too": (
        cost_table("a(x): cpu 1", inputs="x@host", outputs="x@pim"),
        "cpu: a",
        1 + 2,
    ),
    "each change of device starts a stage": (
        cost_table(
            "a: cpu 1\n b: gang 1\n c: gang 1\n d: cpu 1", stage_us={"cpu": 10, "gang": 100}
        ),
        "cpu: a, d; gang: b, c",
        4 + 10 + 100 + 10,
    ),
}


@pytest.mark.parametrize(("table", "assignment", "total_us"), CASES.values(), ids=CASES.keys())
def test_total(table: CostTable, assignment: str, total_us: float) -> None:
    assert evaluate(table, placed(assignment)).total_s == pytest.approx(total_us * US)


def test_another_order_can_save_a_stage() -> None:
    table = cost_table("a: cpu 1\n b: gang 1\n c: cpu 1", stage_us={"cpu": 5, "gang": 5})
    assignment = placed("cpu: a, c; gang: b")
    assert evaluate(table, assignment).stage_s == pytest.approx(15 * US)
    assert evaluate(table, assignment, order=("a", "c", "b")).stage_s == pytest.approx(10 * US)


BAD = {
    "a node left out": ("cpu: a, b, c", "node d", "not assigned"),
    "a device that cannot run it": ("cpu: a, b, c; pim: d", "node d (Op)", "cannot run it"),
    "a node that does not exist": ("cpu: a, b, c, d, e", "node e", "no such node"),
}


@pytest.mark.parametrize(("assignment", "where", "problem"), BAD.values(), ids=BAD.keys())
def test_assignments_that_do_not_fit(assignment: str, where: str, problem: str) -> None:
    with pytest.raises(AssignmentError, match=problem) as error:
        evaluate(DIAMOND, placed(assignment))
    assert error.value.where == where


def test_a_value_that_cannot_be_moved() -> None:
    table = cost_table("a: cpu 1\n b(a): pim 1", move_us={})
    with pytest.raises(AssignmentError, match="'a' cannot be moved from host to pim"):
        evaluate(table, placed("cpu: a; pim: b"))


@settings(max_examples=50)
@given(cost_tables(max_nodes=4))
def test_the_parts_are_never_negative(table: CostTable) -> None:
    for assignment in every_assignment(table):
        try:
            parts = evaluate(table, assignment)
        except AssignmentError:
            continue
        assert min(parts.run_s, parts.move_s, parts.stage_s) >= 0
        assert len(set(parts.copies)) == len(parts.copies)


MOVE_J = {("host", "pim"): 3.0, ("pim", "host"): 4.0}


def test_energy_adds_up_like_time() -> None:
    drawn = cost_table("a: cpu 4\n b(a): pim 6", stage_us={"cpu": 1})
    a, b = drawn.nodes
    table = replace(
        drawn,
        values=tuple(replace(value, move_j=MOVE_J) for value in drawn.values),
        nodes=(replace(a, run_j={"cpu": 5.0}), replace(b, run_j={"pim": 7.0})),
    )
    parts = evaluate(table, placed("cpu: a; pim: b"), objective=ENERGY)
    assert parts.total_s == pytest.approx((1 + 4 + 2 + 6) * US)
    assert parts.total_j == 5 + 3 + 7
    assert parts.total(Objective(per_s=2.0, per_j=10.0)) == pytest.approx(26 * US + 150)


def test_an_energy_that_is_not_known() -> None:
    parts = evaluate(DIAMOND, placed("cpu: a, b, c, d"))
    assert parts.total_j is None
    with pytest.raises(CostTableError) as error:
        evaluate(DIAMOND, placed("cpu: a, b, c, d"), objective=ENERGY)
    assert error.value.where == "nodes[0].run_j.cpu"


def test_weights_that_do_not_fit() -> None:
    table = replace(
        DIAMOND,
        machine=replace(DIAMOND.machine, memories=(Memory("host"), Memory("pim", 100))),
        nodes=tuple(replace(node, weight_bytes=60) for node in DIAMOND.nodes),
    )
    assert evaluate(table, placed("cpu: a, c, d; pim: b")).total_s == pytest.approx(8 * US)
    with pytest.raises(AssignmentError, match="120 bytes of weights, 20 more than fit") as error:
        evaluate(table, placed("cpu: a, d; pim: b, c"))
    assert error.value.where == "memory pim"
    padded = tuple(replace(node, held_bytes={"cpu": 9, "pim": 50}) for node in table.nodes)
    assert evaluate(replace(table, nodes=padded), placed("cpu: a, d; pim: b, c")).total_s

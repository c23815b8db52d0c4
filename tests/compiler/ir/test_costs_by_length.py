"""Costs along the length: at a length they are what they are there, between two on the line."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.costs_by_length import CostsByLength
from stagecut.compiler.ir.errors import CostTableError, UsageError
from tests.support.lengths import steps
from tests.support.tables import US

STEPS = steps()


def test_at_a_length_that_was_measured_the_table_is_the_one_that_was_measured() -> None:
    assert [STEPS.at(length) for length in STEPS.lengths] == [*STEPS.tables]


@given(st.floats(10, 1000))
def test_between_two_lengths_costs_that_grow_evenly_are_what_they_are(length: float) -> None:
    node = STEPS.at(length).node_named["scores"]
    assert node.run_s["cpu"] == pytest.approx(US * (3 + 0.1 * length))
    assert STEPS.at(length).node_named["up"] == STEPS.tables[0].node_named["up"]


def test_what_is_not_known_is_not_made_up() -> None:
    for length in (9, 1001, float("nan")):
        with pytest.raises(UsageError, match="known from 10 to 1000"):
            STEPS.at(length)


def test_the_misfit_is_what_the_line_misses_the_length_between_by() -> None:
    assert STEPS.misfit() == pytest.approx({"cpu": 0.0, "gang": 0.0, "pim": 0.0})
    middle = STEPS.tables[1]
    twice = replace(
        middle,
        nodes=tuple(
            replace(node, run_s={**node.run_s, "cpu": 2 * node.run_s["cpu"]})
            for node in middle.nodes
        ),
    )
    bent = CostsByLength(STEPS.lengths, (STEPS.tables[0], twice, STEPS.tables[2]))
    assert bent.misfit() == pytest.approx({"cpu": 0.5, "gang": 0.0, "pim": 0.0})
    assert steps((10, 1000)).misfit() == {}


@pytest.mark.parametrize("lengths", [(10,), (10, 10, 100), (100, 10, 1000), (0, 1, 2)])
def test_lengths_increase(lengths: tuple[int, ...]) -> None:
    with pytest.raises(CostTableError, match="lengths"):
        CostsByLength(lengths, STEPS.tables[: len(lengths)])


def _other_machine(table: CostTable) -> CostTable:
    [first, *others] = table.machine.devices
    devices = (replace(first, stage_s=1.0), *others)
    return replace(table, machine=replace(table.machine, devices=devices))


def _other_node(table: CostTable) -> CostTable:
    return replace(table, nodes=(replace(table.nodes[0], op="Other"), *table.nodes[1:]))


def _other_weights(table: CostTable) -> CostTable:
    return replace(table, nodes=(replace(table.nodes[0], weight_bytes=9), *table.nodes[1:]))


def _other_value(table: CostTable) -> CostTable:
    return replace(table, values=(replace(table.values[0], transfer_s={}), *table.values[1:]))


def _other_border(table: CostTable) -> CostTable:
    return replace(table, outputs=())


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (_other_machine, "machine"),
        (_other_node, "set of nodes"),
        (_other_weights, "set of nodes"),
        (_other_value, "set of values"),
        (_other_border, "border"),
    ],
)
def test_tables_of_different_things_are_refused(changed: object, what: str) -> None:
    assert callable(changed)
    tables = (*STEPS.tables[:2], changed(STEPS.tables[2]))
    with pytest.raises(CostTableError, match=f"table at 1000 tokens: another {what}"):
        CostsByLength(STEPS.lengths, tables)

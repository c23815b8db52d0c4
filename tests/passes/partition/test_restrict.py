"""Pins and forbids: which nodes they reach, and what is said when they leave nothing."""

import pytest
from hypothesis import given

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import (
    AssignmentError,
    DeviceError,
    StagecutError,
    UnplaceableError,
    UsageError,
)
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.restrict import Choice, Restrict, Rule, parse_rule
from tests.support.tables import cost_table, cost_tables

TABLE = cost_table("a1: cpu 3, gang 2, pim 1\n a2: cpu 3, pim 1\n b: cpu 1")


def _devices(table: CostTable) -> str:
    return "; ".join(f"{node.name}: {', '.join(node.run_s)}" for node in table.nodes)


CASES = {
    "no rules": ("", "", "a1: cpu, gang, pim; a2: cpu, pim; b: cpu"),
    "a pin by name": ("a1=gang", "", "a1: gang; a2: cpu, pim; b: cpu"),
    "a pin by pattern": ("a*=pim", "", "a1: pim; a2: pim; b: cpu"),
    "a pin by operator": ("Op=cpu", "", "a1: cpu; a2: cpu; b: cpu"),
    "a forbid by pattern of operators": ("", "O?=pim", "a1: cpu, gang; a2: cpu; b: cpu"),
    "a forbid of what cannot be anyway": ("", "b=pim", "a1: cpu, gang, pim; a2: cpu, pim; b: cpu"),
    "a pin by pattern where some nodes cannot": ("*=pim", "", "a1: pim; a2: pim; b: cpu"),
    "a pin beside a forbid": ("a1=cpu", "a*=pim", "a1: cpu; a2: cpu; b: cpu"),
    "an operator alone": ("op:O*=cpu", "", "a1: cpu; a2: cpu; b: cpu"),
    "a name alone": ("name:a*=pim", "", "a1: pim; a2: pim; b: cpu"),
    "a name goes before an operator": ("Op=cpu a1=pim", "", "a1: pim; a2: cpu; b: cpu"),
    "the same pin twice": ("a1=cpu a*=cpu", "", "a1: cpu; a2: cpu; b: cpu"),
}


@pytest.mark.parametrize(("pins", "forbids", "left"), CASES.values(), ids=CASES.keys())
def test_what_is_left(pins: str, forbids: str, left: str) -> None:
    assert _devices(_restrict(pins, forbids)(TABLE)) == left


def _restrict(pins: str, forbids: str) -> Restrict:
    return Restrict(tuple(map(parse_rule, pins.split())), tuple(map(parse_rule, forbids.split())))


BAD: dict[str, tuple[str, str, type[StagecutError], str]] = {
    "pins that contradict": ("a*=cpu a1=pim", "", UnplaceableError, r"pin a\*=cpu and pin a1=pim"),
    "a pin and a forbid": ("a1=pim", "a1=pim", UnplaceableError, "pin a1=pim and forbid a1=pim"),
    "a pin to a device that cannot": ("b=pim", "", UnplaceableError, "by pin b=pim"),
    "a pattern that only those match that cannot": ("b*=pim", "", UnplaceableError, "none of the"),
    "a forbid of the last device": ("", "b=cpu", UnplaceableError, "by forbid b=cpu"),
    "an unknown device": ("a1=gpu", "", DeviceError, "no device 'gpu'"),
    "an operator that is no name": ("name:Op=cpu", "", AssignmentError, "no node and no operator"),
    "a name that is no operator": ("", "op:a1=pim", AssignmentError, "rule op:a1=pim"),
    "a name that nothing has": ("c*=cpu", "", AssignmentError, "no node and no operator"),
}


@pytest.mark.parametrize(("pins", "forbids", "error", "problem"), BAD.values(), ids=BAD.keys())
def test_refusals(pins: str, forbids: str, error: type[StagecutError], problem: str) -> None:
    with pytest.raises(error, match=problem) as raised:
        _restrict(pins, forbids)(TABLE)
    assert raised.value.fix


@pytest.mark.parametrize("text", ["pim", "=pim", "a=", "", "name:=pim", " =pim"])
def test_texts_that_are_no_rules(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rule(text)


def test_a_name_may_hold_what_a_pattern_may() -> None:
    assert parse_rule("layer[0]=a=pim") == Rule("layer[0]=a", "pim")
    assert Rule("layer[0]", "pim").matches(Choice("layer[0]", "Op", ("pim",)))
    assert not Rule("layer[0]", "pim").matches(Choice("layer[1]", "Op", ("pim",)))


def test_nodes_whose_name_is_an_operator_can_be_pinned_alone() -> None:
    table = cost_table("Op: cpu 3, pim 1\n Op_1: cpu 3, pim 1")
    for pins in ("Op=cpu Op_1=pim", "name:Op=cpu Op_1=pim", "op:Op=pim name:Op=cpu"):
        assert _devices(_restrict(pins, "")(table)) == "Op: cpu; Op_1: pim"


@pytest.mark.parametrize("text", ["a=pim", "name:a=pim", "op:a=b=pim", "name:op:a=pim"])
def test_rules_read_as_they_are_written(text: str) -> None:
    assert str(parse_rule(text)) == text


@given(cost_tables())
def test_pins_to_the_best_places_change_nothing(table: CostTable) -> None:
    try:
        best = Partition()(table)
    except UnplaceableError:
        return
    pins = tuple(Rule(node, device) for node, device in best.assignment.devices.items())
    assert Partition()(Restrict(pins)(table)).assignment == best.assignment


def test_pins_that_hold_only_some_nodes_are_told() -> None:
    assert _restrict("*=pim a1=cpu", "").loose_pins(TABLE) == (
        "pin *=pim holds 2 of 3 nodes that match; pim cannot run the others",
    )

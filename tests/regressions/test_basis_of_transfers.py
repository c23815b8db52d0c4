"""Measured devices over a modelled link are a modelled plan; a measured chain is a measured one.

The plan was called measured whatever its links were, and a transfer by way of another memory was
always called modelled.
"""

from dataclasses import replace

from stagecut.compiler.ir.account import Account, account
from stagecut.compiler.ir.machine import Basis, Link
from tests.support.tables import cost_table, in_order, placed

DRAWN = cost_table(
    "one: cpu 1\n two(one): npu 1",
    devices={"cpu": "host", "relay": "via", "npu": "npu"},
    transfer_us={"host>via": 1, "via>npu": 1},
)


def _account(first: Basis, second: Basis) -> Account:
    """Of one transfer by way of a memory between, over links of these kinds."""
    links = (Link("host", "via", basis=first), Link("via", "npu", basis=second))
    table = replace(DRAWN, machine=replace(DRAWN.machine, links=links))
    return account(table, in_order(table, placed("cpu: one; npu: two")))


def test_each_transfer_has_the_basis_of_its_link_and_the_plan_that_of_all() -> None:
    cases: dict[tuple[Basis, Basis], Basis] = {
        ("measured", "measured"): "measured",
        ("measured", "modelled"): "modelled",
        ("modelled", "measured"): "modelled",
        ("modelled", "modelled"): "modelled",
    }
    for links, whole in cases.items():
        found = _account(*links)
        assert [step.basis for step in found.steps] == ["measured", *links, "measured"]
        assert found.basis == whole


def test_of_two_links_the_one_that_is_taken_says() -> None:
    drawn = cost_table("one: cpu 1\n two(one): pim 1", transfer_us={})
    slow, fast = (
        Link("host", "pim", 9.0, 1e9, "measured"),
        Link("host", "pim", 1.0, 1e9, "modelled"),
    )
    table = replace(drawn, machine=replace(drawn.machine, links=(slow, fast)))
    found = account(table, in_order(table, placed("cpu: one; pim: two")))
    assert [step.basis for step in found.steps] == ["measured", "modelled", "measured"]

"""Which memories are alike: what runs in them and what comes to them costs the same."""

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.passes.partition.alike import alike, devices_on
from tests.support.stars import CHAIN, MEMORIES, STAR, star
from tests.support.tables import cost_table


def test_two_accelerators_are_alike_whatever_their_room() -> None:
    assert alike(star(CHAIN, 2, 3)) == (("m0", "m1"),)


@pytest.mark.parametrize(
    "other",
    [
        cost_table(CHAIN.replace("acc.1 3", "acc.1 4"), devices=MEMORIES, transfer_us=STAR),
        cost_table(CHAIN, devices=MEMORIES, transfer_us=STAR | {"m1>host": 3}),
        cost_table(CHAIN, devices=MEMORIES, transfer_us=STAR, stage_us={"acc.1": 1}),
        cost_table(CHAIN, devices=MEMORIES, transfer_us=STAR, outputs="e@m1"),
        cost_table("a: cpu 1"),
    ],
    ids=["nodes", "links", "starts", "ends", "one memory"],
)
def test_what_differs_in_anything_is_not_alike(other: CostTable) -> None:
    assert alike(other) == ()


def test_devices_by_memory() -> None:
    assert devices_on(cost_table("a: cpu 1").machine) == {"host": ["cpu", "gang"], "pim": ["pim"]}

"""Node after node, each where it is cheapest as things stand."""

import pytest

from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.partition import Partition
from tests.support.tables import US, cost_table, placed

TABLE = cost_table(
    "a: cpu 3, pim 5\n b(a): cpu 4, pim 1\n c(b): cpu 2, gang 1\n d(a): cpu 3, pim 2"
)


def test_it_pays_for_a_transfer_and_then_profits_from_it() -> None:
    """%a goes to pim for b, so that d has it there for nothing."""
    found = Greedy()(TABLE)
    assert found.assignment.devices == placed("cpu: a; pim: b, d; gang: c").devices
    assert found.total_s == pytest.approx((3 + 2 + 1 + 2 + 1 + 2) * US)


def test_greedy_breaks_ties_by_index() -> None:
    table = cost_table("a: pim 1, gang 1, cpu 1")
    assert Greedy()(table).assignment["a"] == "cpu"


def test_greedy_does_not_look_ahead() -> None:
    table = cost_table("a: cpu 1, pim 2\n b(a): pim 1", transfer_us=5)
    assert Greedy()(table).assignment["a"] == "cpu"
    assert Partition()(table).assignment["a"] == "pim"


def test_greedy_may_run_into_a_dead_end() -> None:
    table = cost_table("a: cpu 1, pim 2\n b(a): pim 1", transfer_us={})
    with pytest.raises(UnplaceableError) as error:
        Greedy()(table)
    assert error.value.where == "node b (Op)"
    assert Partition()(table).assignment["a"] == "pim"

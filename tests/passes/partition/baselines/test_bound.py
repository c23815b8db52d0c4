"""What the rival methods share: a bound that needs no search, and the best order that is known."""

import pytest
from hypothesis import given

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError
from stagecut.compiler.ir.objective import ENERGY, LATENCY
from stagecut.passes.partition.baselines.bound import (
    carried_out,
    least_without_transfers,
    unproven,
)
from tests.support.tables import US, cheapest_of_all, cost_table, cost_tables, placed

BRANCHES = cost_table(
    "a: cpu 1\n b: gang 1\n c(a): cpu 1\n d(b): gang 1", stage_us={"cpu": 1, "gang": 1}
)


def test_every_node_on_its_cheapest_device() -> None:
    table = cost_table("a: cpu 3, pim 1\n b(a): cpu 2, pim 5")
    assert least_without_transfers(table, LATENCY) == pytest.approx(3 * US)


@given(cost_tables())
def test_no_schedule_is_cheaper_than_that(table: CostTable) -> None:
    for objective in (LATENCY, ENERGY):
        least = cheapest_of_all(table, objective)
        bound = least_without_transfers(table, objective)
        assert least is None or bound <= least * (1 + 1e-12)


def test_an_assignment_is_carried_out_in_the_best_order() -> None:
    schedule, account = carried_out(BRANCHES, placed("cpu: a, c; gang: b, d"), LATENCY)
    assert str(schedule) == "run cpu: a, c\nrun gang: b, d"
    assert account.latency_s == pytest.approx(6 * US)


def test_and_in_the_graphs_where_the_order_costs_nothing() -> None:
    schedule, _ = carried_out(BRANCHES, placed("cpu: a, c; gang: b, d"), ENERGY)
    assert schedule.order == ("a", "b", "c", "d")


def test_an_assignment_that_does_not_fit() -> None:
    for text in ("cpu: a, b, c; gang: d", "cpu: a", "cpu: a, c, z; gang: b, d"):
        with pytest.raises(AssignmentError):
            carried_out(BRANCHES, placed(text), LATENCY)


def test_what_proves_nothing_says_so() -> None:
    table = cost_table("a: cpu 3, pim 1\n b(a): cpu 2, pim 5")
    found = unproven(table, placed("cpu: a, b"), "guess", LATENCY)
    certificate = found.certificate
    assert (certificate.method, certificate.exact) == ("guess", False)
    assert certificate.lower_bound == pytest.approx(3 * US)
    assert certificate.proof == "every node at its cheapest, nothing transferred"

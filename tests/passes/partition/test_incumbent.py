"""The cheapest schedule met so far, by the evaluator's own account."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from stagecut.compiler.ir.costs import Budget, CostTable
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.solution import Certificate
from stagecut.passes.partition.incumbent import Incumbent
from stagecut.passes.partition.orders.precedence import Precedence
from tests.support.tables import US, cost_table

BRANCHES = cost_table(
    "a: cpu 1, gang 2\n b: cpu 2, gang 1\n c(a): cpu 1, gang 2\n d(b): cpu 2, gang 1",
    stage_us={"cpu": 1, "gang": 1},
)


def _incumbent(table: CostTable) -> Incumbent:
    return Incumbent(table, LATENCY, lambda: Precedence.of(table))


def test_the_best_of_what_is_offered_is_kept_in_its_best_order() -> None:
    incumbent = _incumbent(BRANCHES)
    assert incumbent.total == inf
    assert incumbent.offer([0, 0, 0, 0]) == pytest.approx(7 * US)
    assert incumbent.offer(np.array([0, 1, 0, 1])) == pytest.approx(6 * US)
    assert incumbent.offer([1, 1, 1, 1]) == pytest.approx(6 * US)
    found = incumbent.solution(Certificate.of("optimal", incumbent.total, incumbent.total))
    assert str(found.schedule) == "run cpu: a, c\nrun gang: b, d"
    assert [*found.assignment] == ["a", "b", "c", "d"]
    assert found.total_s == incumbent.total
    assert incumbent.devices() == [0, 1, 0, 1]


def test_steps_are_taken_in_the_order_given() -> None:
    incumbent = _incumbent(BRANCHES)
    assert incumbent.try_steps([(0, 0), (1, 1), (2, 0), (3, 1)]) == pytest.approx(8 * US)
    assert incumbent.try_steps([(1, 1), (3, 1), (0, 0), (2, 0)]) == pytest.approx(6 * US)


def test_what_cannot_be_carried_out_is_passed_over() -> None:
    table = cost_table("a: cpu 1, pim 1\n b(a): cpu 1, pim 1", transfer_us={"host>pim": 1})
    incumbent = _incumbent(table)
    assert incumbent.offer([2, 0]) == inf
    assert incumbent.offer([0, 2]) == pytest.approx(3 * US)
    with pytest.raises(AssertionError):
        _incumbent(table).solution(Certificate.of("optimal", 0.0, 0.0))


def test_what_transfers_use_of_each_budget() -> None:
    drawn = cost_table("a: cpu 1, pim 1\n b(a): cpu 1, pim 1\n c(a): cpu 1, pim 1")
    joules = {Route("host", "pim"): 3.0, Route("pim", "host"): 5.0}
    table = replace(
        drawn,
        values=tuple(replace(value, transfer_j=joules) for value in drawn.values),
        budgets=(Budget("error", 1.0), Budget("energy", 9.0)),
    )
    incumbent, limits = _incumbent(table), np.array([100.0, 1.0, 9.0])
    assert incumbent.transfer_uses([0, 2, 2], limits).tolist() == [0.0, 0.0, 3.0]
    assert incumbent.transfer_uses([2, 0, 2], limits).tolist() == [0.0, 0.0, 5.0]
    assert incumbent.transfer_uses([0, 0, 0], limits).tolist() == [0.0, 0.0, 0.0]

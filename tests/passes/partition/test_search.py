"""What HiGHS is handed, and what comes back of it."""

from math import inf

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.standing import Standing, nobody
from stagecut.passes.partition.incumbent import Incumbent
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.search import Search
from tests.support.synthetic_tables import transformer
from tests.support.tables import US, cost_table

TABLE = cost_table("a: cpu 3, pim 1\n b(a): cpu 3, pim 1")


def _incumbent(table: CostTable) -> Incumbent:
    return Incumbent(table, LATENCY, lambda: Precedence.of(table))


def _searched(
    table: CostTable,
    incumbent: Incumbent,
    bound: float = 0.0,
    limit_s: float = 60.0,
    left: CostTable | None = None,
) -> float:
    return Search(table, LATENCY, incumbent, lambda: left or table, limit_s)(bound)


def test_the_optimum_and_its_bound() -> None:
    incumbent = _incumbent(TABLE)
    assert _searched(TABLE, incumbent) == pytest.approx(2 * US)
    assert incumbent.total == pytest.approx(2 * US)


def test_what_is_known_already_is_kept() -> None:
    """Where only what cannot be better is left to search."""
    incumbent = _incumbent(TABLE)
    incumbent.offer([2, 2])
    left = cost_table("a: cpu 3\n b(a): cpu 3, pim 1")
    assert _searched(TABLE, incumbent, 1 * US, left=left) == pytest.approx(2 * US)
    assert str(incumbent.schedule) == "run pim: a, b"


def test_too_little_time_is_told() -> None:
    table = transformer(500)
    with pytest.raises(UnplaceableError, match="within 1e-09 s"):
        _searched(table, _incumbent(table), limit_s=1e-9)


def test_a_bound_that_was_known_is_not_lowered() -> None:
    table = transformer(500)
    incumbent = _incumbent(table)
    incumbent.offer([0] * 500)
    assert _searched(table, incumbent, 0.01, limit_s=1e-9) >= 0.01


def test_how_it_stands_is_told_while_it_goes_on() -> None:
    """By a clock that stands still, with too little time for HiGHS to come to any end."""
    table = transformer(150)
    incumbent = _incumbent(table)
    incumbent.offer([0] * 150)
    told = list[Standing]()

    def tell(standing: Standing) -> bool:
        told.append(standing)
        return True

    Search(table, LATENCY, incumbent, lambda: table, 1e-9, tell, lambda: 0.0)(0.001)
    totals = [standing.total for standing in told]
    assert len(totals) > 2
    assert totals == sorted(totals, reverse=True)
    assert {(standing.bound, standing.left_s) for standing in told} == {(0.001, 1e-9)}


def test_what_was_found_is_kept_where_no_more_is_wanted() -> None:
    table = transformer(500)
    incumbent = _incumbent(table)
    incumbent.offer([0] * 500)
    first = incumbent.total
    search = Search(table, LATENCY, incumbent, lambda: table, 60.0, lambda _: False)
    assert 0.01 <= search(0.01) <= incumbent.total <= first


def test_nobody_ends_a_search() -> None:
    assert nobody(Standing(inf, 0.0, 1.0))

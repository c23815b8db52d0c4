"""What HiGHS is handed, and what comes back of it."""

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.incumbent import Incumbent
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.search import numbers, search
from tests.support.synthetic_tables import transformer
from tests.support.tables import US, cost_table, placed

TABLE = cost_table("a: cpu 3, pim 1\n b(a): cpu 3, pim 1")


def _incumbent(table: CostTable) -> Incumbent:
    return Incumbent(table, LATENCY, lambda: Precedence.of(table))


def test_the_optimum_and_its_bound() -> None:
    incumbent = _incumbent(TABLE)
    bound = search(TABLE, LATENCY, TABLE, incumbent, 0.0, 60.0)
    assert bound == pytest.approx(2 * US)
    assert incumbent.total == pytest.approx(2 * US)


def test_what_is_known_already_is_kept() -> None:
    """Where only what cannot be better is left to search."""
    incumbent = _incumbent(TABLE)
    incumbent.offer([2, 2])
    left = cost_table("a: cpu 3\n b(a): cpu 3, pim 1")
    bound = search(TABLE, LATENCY, left, incumbent, 1 * US, 60.0)
    assert bound == pytest.approx(2 * US)
    assert str(incumbent.schedule) == "run pim: a, b"


def test_too_little_time_is_told() -> None:
    table = transformer(500)
    with pytest.raises(UnplaceableError, match="within 1e-09 s"):
        search(table, LATENCY, table, _incumbent(table), 0.0, 1e-9)


def test_a_bound_that_was_known_is_not_lowered() -> None:
    table = transformer(500)
    incumbent = _incumbent(table)
    incumbent.offer([0] * 500)
    assert search(table, LATENCY, table, incumbent, 0.01, 1e-9) >= 0.01


def test_devices_by_number() -> None:
    assert numbers(TABLE, placed("pim: a; cpu: b")) == [2, 0]

"""What lies near a schedule holds better ones, as long as there are any and there is time."""

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.incumbent import Incumbent
from stagecut.passes.partition.neighbourhood import Neighbourhood, numbers
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.partition import Partition
from tests.support.synthetic_tables import transformer
from tests.support.tables import US, cost_table, placed

#: A chain in which what is slow on cpu is fast on pim, and the other way round.
CHAIN = cost_table(
    "\n".join(
        f"n{at}({f'n{at - 1}' if at else ''}): cpu {1 if at < 12 else 9}, pim {9 if at < 12 else 1}"
        for at in range(24)
    )
)


def _from(table: CostTable, devices: list[int]) -> Incumbent:
    incumbent = Incumbent(table, LATENCY, lambda: Precedence.of(table))
    incumbent.offer(devices)
    return incumbent


def _totals(
    table: CostTable, incumbent: Incumbent, bound: float = 0.0, left_s: float = 60.0
) -> list[float]:
    """The total whenever it is asked whether to go on, where it is another one."""
    totals: list[float] = []

    def goes_on() -> bool:
        if totals[-1:] != [incumbent.total]:
            totals.append(incumbent.total)
        return True

    Neighbourhood(table, LATENCY, incumbent, bound, lambda: left_s, goes_on).search()
    return totals


def test_a_border_moves_to_its_place_round_by_round() -> None:
    """From node 3 to node 12, by up to 4 nodes at a time."""
    totals_us = [round(total / US) for total in _totals(CHAIN, _from(CHAIN, [0] * 3 + [2] * 21))]
    assert totals_us == [98, 66, 34, 26]


def test_windows_find_what_no_border_leads_to() -> None:
    """All on cpu: no neighbour of any node is anywhere else."""
    incumbent = _from(CHAIN, [0] * 24)
    assert round(_totals(CHAIN, incumbent)[0] / US) == 120
    assert incumbent.total == pytest.approx(26 * US)


def test_the_optimum_of_a_transformer_from_everything_in_one_place() -> None:
    table = transformer(60)
    incumbent = _from(table, [0] * 60)
    best = Partition()(table).certificate.total
    totals = _totals(table, incumbent, best)
    assert totals == sorted(totals, reverse=True)
    assert incumbent.total == pytest.approx(best, rel=0.01)


def test_there_is_an_end_where_nothing_is_left_to_gain() -> None:
    assert _totals(CHAIN, _from(CHAIN, [0] * 12 + [2] * 12), bound=26 * US) == []


def test_there_is_an_end_with_the_time() -> None:
    assert _totals(CHAIN, _from(CHAIN, [0] * 24), left_s=0.0) == []


def test_there_is_an_end_where_no_more_is_wanted() -> None:
    incumbent = _from(CHAIN, [0] * 3 + [2] * 21)
    first = incumbent.total
    search = Neighbourhood(CHAIN, LATENCY, incumbent, 0.0, lambda: 60.0, lambda: False)
    search.search()
    assert incumbent.total == first


def test_devices_by_number() -> None:
    table = cost_table("a: cpu 3, pim 1\n b(a): cpu 3, pim 1")
    assert numbers(table, placed("pim: a; cpu: b")) == [2, 0]

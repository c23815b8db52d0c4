"""A part of the costs multiplied: what changes, and what it takes of a schedule."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.machine import Link
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.scale import Scale
from tests.support.tables import US, cost_table, in_order, placed, seeded_table

TABLE = cost_table("a: cpu 3, pim 4\n b(a): cpu 5, pim 2", inputs="", outputs="b@host")
SPLIT = in_order(TABLE, placed("cpu: a; pim: b"))

TAKES = {"pim": 2 * US, "cpu": 3 * US, "gang": 0.0, "transfers": 4 * US, "host>pim": 2 * US}


@pytest.mark.parametrize(("part", "time_s"), TAKES.items())
def test_what_a_part_takes_of_a_run(part: str, time_s: float) -> None:
    assert Scale(part).time_s(TABLE, SPLIT) == pytest.approx(time_s)


@pytest.mark.parametrize("part", TAKES)
def test_a_schedule_costs_a_line(part: str) -> None:
    scale = Scale(part)
    total_s = account(TABLE, SPLIT).latency_s
    for factor in (0.25, 1.0, 3.0):
        scaled_s = account(scale.applied(TABLE, factor), SPLIT).latency_s
        expected_s = total_s + (factor - 1) * scale.time_s(TABLE, SPLIT)
        assert scaled_s == pytest.approx(expected_s)


def test_links_are_scaled_as_values_are() -> None:
    links = (Link("host", "pim", 1 * US, 1e9), Link("pim", "host", 2 * US))
    table = replace(TABLE, machine=replace(TABLE.machine, links=links))
    [there, back] = Scale("host>pim").applied(table, 0.5).machine.links
    assert there.transfer_s(1000) == pytest.approx(1 * US)
    assert back == links[1]
    assert Scale("transfers").applied(table, 2.0).machine.links[1].latency_s == 4 * US


def test_the_part_of_what_ships_is_counted_as_the_account_counts() -> None:
    table = seeded_table(5)
    solution = Partition()(table)
    half = account(Scale("transfers").applied(table, 0.5), solution.schedule).latency_s
    taken_s = Scale("transfers").time_s(table, solution.schedule)
    assert half == pytest.approx(solution.total_s - 0.5 * taken_s)


def test_a_part_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="there is no device and no route 'pin'") as error:
        Scale("pin").check(TABLE)
    assert error.value.fix.startswith("did you mean 'pim'? there are cpu, gang, pim, transfers, ")

"""The method is chosen by the work that it predicts: a table of 20 nodes, each of which reads all
earlier ones, took elimination 24 s and 1.1 GB, where the integer program takes an instant."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import HOST
from stagecut.passes.partition import partition
from stagecut.passes.partition.exact import problem
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.partition import Partition
from tests.support.synthetic_tables import dense, ladder


@pytest.mark.parametrize("table", [dense(20), dense(40), ladder(16, 12)], ids=lambda t: t.name)
def test_wide_tables_are_left_to_the_integer_program(table: CostTable) -> None:
    best = Partition()(table).certificate
    assert best.exact
    assert best.proof == "too wide for elimination: HiGHS"
    assert best.total == pytest.approx(Milp()(table).certificate.total)


def test_elimination_does_what_the_program_cannot_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    table = dense(8)
    expected = Partition()(table)
    assert expected.certificate.proof == "variable elimination"
    monkeypatch.setattr(problem, "_QUICK_ENTRIES", 1.0)
    monkeypatch.setattr(problem, "_ENTRIES_PER_NONZERO", 0)
    assert Partition()(table).certificate.proof == "too wide for elimination: HiGHS"
    monkeypatch.setattr(partition, "_HEAD_START_S", 0.0)
    assert Partition()(table) == expected
    solution, totals = Partition().with_totals(table)
    assert (solution, totals) == (expected, {})


def test_where_starting_stages_costs_something_elimination_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The integer program counts the starts along one path only."""
    monkeypatch.setattr(problem, "_QUICK_ENTRIES", 1.0)
    monkeypatch.setattr(problem, "_ENTRIES_PER_NONZERO", 0)
    table = dense(6)
    devices = tuple(
        replace(device, stage_s=1e-6 if device.memory == HOST else 0.0)
        for device in table.machine.devices
    )
    started = replace(table, machine=replace(table.machine, devices=devices))
    assert "elimination" in Partition()(started).certificate.proof

"""The whole model on one device: as observed, else by the costs, else not at all."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.transfers import scheduled
from stagecut.compiler.report.model.alone import alone
from tests.support.planned_variants import mixed, never_run

SAMPLE = mixed()


def test_what_the_gate_measured() -> None:
    found = alone(SAMPLE.planned, SAMPLE.table, "cpu.serial")
    [contender] = (each for each in SAMPLE.planned.contenders if each.single_device == "cpu.serial")
    assert found is not None
    assert (found.total.time_s, found.source) == (contender.median_s, "observed")


def test_what_was_only_added_up() -> None:
    sample = never_run()
    found = alone(sample.planned, sample.table, "cpu.serial")
    assert found is not None
    assert found.source == "predicted"


def test_the_costs_where_it_was_no_contender() -> None:
    optimum = (SAMPLE.planned.shipped,)
    found = alone(replace(SAMPLE.planned, contenders=optimum), SAMPLE.table, "cpu.serial")
    stages = (Stage("cpu.serial", SAMPLE.planned.schedule.order),)
    costs = account(SAMPLE.table, scheduled(SAMPLE.table, stages))
    assert found is not None
    assert found.total.time_s == pytest.approx(costs.latency_s)
    assert found.source == "predicted"


def test_nothing_where_it_cannot_run_all() -> None:
    assert alone(SAMPLE.planned, SAMPLE.table, "pim.hbm") is None

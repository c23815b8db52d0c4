"""Somebody else's assignment is evaluated, and its gap is that to the optimum."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, given

from stagecut.compiler.formats.placement_json import read_placement
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError, StagecutError
from stagecut.compiler.ir.standing import Standing
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.check import Check
from stagecut.passes.partition.partition import Partition
from tests.support.placement_models import bert_12
from tests.support.tables import US, cost_table, cost_tables, placed

TABLE = cost_table("a: cpu 3, pim 1\n b(a): cpu 3\n c(a): cpu 5, pim 1")


def test_a_gap() -> None:
    certificate = Check(placed("cpu: a, b, c"))(TABLE).certificate
    assert certificate.total == pytest.approx(11 * US)
    assert certificate.lower_bound == pytest.approx(7 * US)
    assert certificate.gap == pytest.approx(4 / 11)
    assert not certificate.exact


def test_the_optimum_is_recognised() -> None:
    certificate = Check(Partition()(TABLE).assignment)(TABLE).certificate
    assert certificate.exact
    assert certificate.gap == 0


@pytest.mark.parametrize("text", ["cpu: a, b", "cpu: a, c; pim: b", "cpu: a, b, c, d"])
def test_what_does_not_fit(text: str) -> None:
    with pytest.raises(AssignmentError):
        Check(placed(text))(TABLE)


@given(cost_tables())
def test_greedy_is_checked_against_the_best(table: CostTable) -> None:
    try:
        greedy, best = Greedy()(table), Partition()(table)
    except StagecutError:
        assume(False)
    checked = Check(greedy.assignment)(table)
    assert checked.total_s == greedy.total_s
    assert checked.schedule == greedy.schedule
    assert checked.certificate.lower_bound == best.certificate.lower_bound
    as_good = checked.total_s == pytest.approx(best.total_s)
    assert checked.certificate.exact == (best.certificate.exact and as_good)


def test_the_search_for_the_optimum_is_told_and_may_be_ended(tmp_path: Path) -> None:
    path = tmp_path / "bert-12.json"
    path.write_text(json.dumps(bert_12()))
    table = read_placement(path)
    told: list[Standing] = []

    def enough(standing: Standing) -> bool:
        told.append(standing)
        return False

    theirs = Greedy()(table)
    certificate = Check(theirs.assignment, limit_s=60.0, told=enough)(table).certificate
    assert told
    assert certificate.total == pytest.approx(theirs.certificate.total)
    assert max(standing.bound for standing in told) <= certificate.lower_bound

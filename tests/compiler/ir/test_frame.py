"""A cost table as a data frame."""

import sys
from dataclasses import replace

import pytest

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.frame import COLUMNS
from tests.support.tables import US, cost_table

TABLE = cost_table("a: cpu 3, pim 1\n b(a): cpu 2")


def test_a_row_for_each_candidate() -> None:
    pytest.importorskip("pandas", reason="pandas comes with the dev extra")
    frame = TABLE.to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame["node"].tolist() == ["a", "a", "b"]
    assert frame["device"].tolist() == ["cpu", "pim", "cpu"]
    assert frame["run_s"].tolist() == pytest.approx([3 * US, 1 * US, 2 * US])
    assert frame["run_j"].dtype == "float64"
    assert frame["run_j"].isna().all()
    assert frame.groupby("node")["run_s"].min().sum() == pytest.approx(3 * US)


def test_weights_take_what_they_take_on_the_device() -> None:
    pytest.importorskip("pandas", reason="pandas comes with the dev extra")
    nodes = [
        replace(node, weight_bytes=1000, resident_bytes={"pim": 250}, run_j={"cpu": 2.0})
        for node in TABLE.nodes
    ]
    frame = replace(TABLE, nodes=tuple(nodes)).to_frame()
    assert frame["device"].tolist() == ["cpu", "pim", "cpu"]
    assert frame["weight_bytes"].tolist() == [1000, 250, 1000]
    assert frame["run_j"].isna().tolist() == [False, True, False]


def test_without_pandas_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="not installed"):
        TABLE.to_frame()

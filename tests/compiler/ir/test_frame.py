"""A cost table as a data frame."""

import sys

import pytest

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.frame import COLUMNS
from tests.support.tables import US, cost_table

TABLE = cost_table("a: cpu 3, pim 1\n b(a): cpu 2")


def test_a_row_for_each_candidate() -> None:
    pytest.importorskip("pandas", reason="pandas is no dependency")
    frame = TABLE.to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame["node"].tolist() == ["a", "a", "b"]
    assert frame["device"].tolist() == ["cpu", "pim", "cpu"]
    assert frame["run_s"].tolist() == pytest.approx([3 * US, 1 * US, 2 * US])
    assert frame["run_j"].isna().all()
    assert frame.groupby("node")["run_s"].min().sum() == pytest.approx(3 * US)


def test_without_pandas_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="not installed"):
        TABLE.to_frame()

"""Modelled kernels against cycles of the hardware description, row by row."""

import csv
import statistics
from collections.abc import Mapping

import pytest

from benchmarks import manycore_timing
from tests.support.repository import ROOT

TABLE = ROOT / "benchmarks" / "manycore_timing.csv"


def _rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize(
    "row", _rows(), ids=lambda row: "{kernel} {precision} {m} {n} {k} {note}".format(**row)
)
def test_every_row_of_the_hardware_description(row: Mapping[str, str]) -> None:
    found = manycore_timing.compared(row)
    assert found.cycles == int(row["cycles"])
    assert not found.misses, f"{found.modelled} instead of {found.cycles}"


@pytest.mark.parametrize("family", manycore_timing.MARKS)
def test_means(family: str) -> None:
    rows = [manycore_timing.compared(row) for row in _rows()]
    errors = [abs(row.error) for row in rows if row.family == family and row.error is not None]
    assert statistics.mean(errors) <= manycore_timing.MARKS[family][1]


def test_the_documentation_has_the_errors_that_are_found() -> None:
    rows = [manycore_timing.compared(row) for row in _rows()]
    found = {}
    for line in manycore_timing.summary(rows):
        name, _, figures = line.partition("  ")
        found[name] = figures.split()[:3]
    page = (ROOT / "docs" / "manycore.md").read_text("utf-8")
    table = page.partition("| kernel | rows")[2].partition("\n\n")[0]
    shown = [line.strip("| ").split(" | ") for line in table.splitlines() if line.endswith("% |")]
    assert len(shown) > 10
    for cells in shown:
        assert cells[1:] == found[cells[0]]


def test_a_kernel_without_a_model_misses() -> None:
    row = {**_rows()[0], "kernel": "fft"}
    found = manycore_timing.compared(row)
    assert found.modelled is None
    assert found.misses


def test_a_row_that_is_far_off_misses() -> None:
    row = {**_rows()[0], "cycles": "700"}
    assert manycore_timing.compared(row).misses


def test_the_summary_has_a_line_for_each_kernel_and_family() -> None:
    lines = list(manycore_timing.summary([manycore_timing.compared(row) for row in _rows()]))
    kernels = {row["kernel"] for row in _rows()}
    assert len(lines) == 1 + len(kernels) + len(manycore_timing.MARKS)

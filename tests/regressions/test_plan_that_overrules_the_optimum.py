"""A plan that ships one device because the gate found it faster does not claim to be the optimum.

The headline said "proven optimal" beside the figure of another plan, led with a prediction though
the plan had been observed, and one page had two times for the same device alone.
"""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.report import headline
from stagecut.compiler.report.page.html import to_html
from tests.support.planned import gate_report_of, with_known
from tests.support.planned_variants import mixed, overruled

OVERRULED = gate_report_of(overruled())


def test_the_first_line_has_both_figures_of_the_plan_that_ships_and_says_what_it_is() -> None:
    line = " ".join(headline.lead(OVERRULED.summary))
    shipped = next(row for row in OVERRULED.contenders if row.chosen)
    assert (shipped.name, shipped.is_optimum) == ("cpu.parallel", False)
    assert line.startswith("1.76 ms observed")
    assert "1.72 ms predicted" in line
    assert line.endswith("cpu.parallel alone ships, not the optimum of the costs")
    assert "optimal" not in line


def test_the_proof_is_that_of_the_other_plan_with_its_own_figures() -> None:
    said = headline.optimum(OVERRULED.summary)
    assert said.startswith("the optimum of the costs: 1.10 ms~ predicted, 2.00 ms~ observed")


def test_one_time_for_a_device_alone() -> None:
    rival, contenders = OVERRULED.summary.rival, OVERRULED.contenders
    assert rival is not None
    by_name = {row.name: row.median_s for row in contenders}
    for row in OVERRULED.devices:
        if row.alone is not None and row.name in by_name:
            assert row.alone.total.time_s == by_name[row.name]
    assert rival.alone.total.time_s == by_name[rival.name]


def test_the_page_claims_no_more() -> None:
    page = to_html(OVERRULED)
    assert "not the optimum of the costs" in page
    assert "no other assignment costs less" not in page


@pytest.mark.parametrize("merged", [True, False], ids=["merged", "apart"])
def test_an_optimum_that_goes_by_the_name_of_a_device_is_still_the_optimum(merged: bool) -> None:
    """Duplicates are merged under the device's name: what is proved is proved of this plan."""
    sample = mixed()
    alone = ContenderId(ContenderKind.SINGLE, "cpu.serial")
    shipped = replace(sample.planned.shipped, also=(alone,) if merged else ())
    report = gate_report_of(with_known(sample, contenders=(shipped,)))
    assert report.summary.shipped.name == ("cpu.serial" if merged else "optimum")
    assert report.summary.shipped.is_optimum
    assert "not the optimum" not in " ".join(headline.lead(report.summary))
    assert headline.optimum(report.summary).startswith("by the costs, optimal")

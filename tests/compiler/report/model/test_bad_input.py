"""Plans that strain a report: it still reads well, in the terminal and on the page."""

import io
import math
import re
from dataclasses import replace

import pytest
from rich.console import Console

from stagecut.compiler.ir.checks import OutputDifference
from stagecut.compiler.report.export.dot import to_dot
from stagecut.compiler.report.export.json import to_json
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.difference import compare
from stagecut.compiler.report.page.html import to_html
from stagecut.compiler.report.terminal.difference import print_difference
from stagecut.compiler.report.terminal.report import print_explanation, print_report, print_summary
from tests.support.planned import Sample, gate_report_of
from tests.support.planned_variants import (
    empty,
    free,
    long_names,
    mixed,
    never_run,
    one_node,
    overruled,
    relayed,
    wide,
)


def no_number() -> Sample:
    """A plan whose output is no number, where that of the whole model is one."""
    differences = (
        OutputDifference("head", math.inf, math.inf, None),
        OutputDifference("y", 0.0, 0.0, 1.0),
    )
    sample = mixed()
    return replace(sample, planned=replace(sample.planned, accuracy=differences))


SAMPLES = {
    "a plan whose output is no number": no_number(),
    "a plan that was never run": never_run(),
    "a plan that is not the optimum": overruled(),
    "a plan with a relay": relayed(),
    "a plan of no node": empty(),
    "a plan of one node, which takes less than a nanosecond": one_node(),
    "a plan that takes no time": free(),
    "times from less than a nanosecond to an hour": wide(),
    "names of 10,000 characters": long_names(),
}
REPORTS = {name: gate_report_of(sample) for name, sample in SAMPLES.items()}
every_report = pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
NO_FIGURE = re.compile(r"\b(nan|inf|None)\b")


def _lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@every_report
@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_terminal_is_kept_to_its_width(report: Report, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    print_report(report, console)
    for node in report.nodes:
        print_explanation(report, node.name, console)
    assert max(map(len, _lines(console))) <= width
    assert not NO_FIGURE.search("\n".join(_lines(console)))


@every_report
def test_the_summary_fits_a_screen(report: Report) -> None:
    console = Console(file=io.StringIO(), width=80)
    print_summary(report, console)
    assert 1 < len(_lines(console)) <= 24


@every_report
def test_the_page_is_made_and_stays_small(report: Report) -> None:
    page = to_html(report)
    assert len(page) < 2**19
    assert not NO_FIGURE.search(re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL))


@every_report
def test_files_for_other_tools_are_made(report: Report) -> None:
    assert to_dot(report).startswith("digraph")
    assert report.summary.model in to_json(report)
    assert "Infinity" not in to_json(report)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_plan_can_be_compared_with_itself_and_with_another(sample: Sample) -> None:
    decided = sample.planned.schedule != mixed().planned.schedule
    for other, differs in ((sample, False), (mixed(), decided)):
        found = compare(sample.planned, other.planned)
        console = Console(file=io.StringIO(), width=60)
        print_difference(found, console)
        assert max(map(len, _lines(console))) <= 60
        assert found.decided_otherwise == differs


def test_a_plan_that_was_never_run_says_so() -> None:
    report = REPORTS["a plan that was never run"]
    assert report.summary.observed is None
    assert "No measured stage was run." in to_html(report)


def test_a_plan_of_no_node_has_no_empty_tables() -> None:
    page = to_html(REPORTS["a plan of no node"])
    assert "<tbody>\n</tbody>" not in page
    assert "<dd>0 stages" in page


def test_times_are_told_in_units_that_suit_them() -> None:
    page = to_html(REPORTS["times from less than a nanosecond to an hour"])
    for time in ("250 ps", "36.2 ns", " µs", " ms", " s", "64.0 min"):
        assert time in page

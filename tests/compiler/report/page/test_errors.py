"""Time against error: what was run, and what could be had by the costs."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.precision import ContenderError, ErrorPoint, PlannedPrecision
from stagecut.compiler.report import precision_wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.page.errors import errors
from stagecut.compiler.report.page.html import to_html
from tests.support.planned import report_of
from tests.support.planned_variants import mixed

FAST = ErrorPoint(0.01, "measured", 0.04, 0.05, {"a": "small", "b": "small", "c": "large"})
EXACT = ErrorPoint(0.02, "measured", 0.0, None, {"a": "large", "b": "large", "c": "large"})


def _report(*front: ErrorPoint) -> Report:
    report = report_of(mixed())
    known = [
        ContenderError(each.name, 0.02, 0.025 if each.chosen else None, kept=True)
        for each in report.contenders
    ]
    precision = PlannedPrecision(0.05, 4, 48, 4, (), tuple(known), front=front)
    return replace(report, precision=precision)


def test_every_plan_has_its_place() -> None:
    report = _report(FAST, EXACT)
    drawn = errors(report)
    run = [each for each in report.contenders if each.accounting == "measured"]
    assert len(run) > 1
    kinds = [mark.kind for mark in drawn.marks]
    assert kinds == [*("chosen" if each.chosen else "more" for each in run), "other", "other"]
    assert [mark.number for mark in drawn.marks] == [*range(1, len(kinds) + 1)]
    fast, exact = drawn.marks[-2:]
    assert (exact.x, exact.thing.error) == (0, 0)
    assert 100 - exact.y == pytest.approx(2 * (100 - fast.y))
    chosen = drawn.marks[kinds.index("chosen")]
    assert fast.x == pytest.approx(2 * chosen.x)  # measured errors, where there are some
    assert fast.title == "2 nodes on small, 1 on large: 10.0 ms, 5 % off"


def test_the_page_draws_them_and_the_terminal_tells_them() -> None:
    report = _report(FAST, EXACT)
    page = to_html(report)
    assert page.count('<circle class="other"') == 2
    assert 'id="errors"' in page
    assert precision_wording.error_front(report.precision) == (
        "to choose from, by the costs: 5 % off in 10.0 ms (2 nodes on small, 1 on large); "
        "0 % off in 20.0 ms (3 nodes on large)"
    )


def test_what_was_not_measured_says_so() -> None:
    report = _report(replace(FAST, measured=None), EXACT)
    told = precision_wording.error_front(report.precision)
    assert "4 % off (predicted) in 10.0 ms" in told
    assert "; 0 % off in 20.0 ms" in told
    assert errors(report).marks[-2].title.endswith("10.0 ms, 4 % off (predicted)")


def test_without_a_choice_there_is_no_drawing() -> None:
    assert not errors(_report()).marks
    assert not errors(report_of(mixed())).marks
    assert 'id="errors"' not in to_html(_report())
    assert (
        precision_wording.error_front(_report().precision)
        == precision_wording.error_front(None)
        == ""
    )

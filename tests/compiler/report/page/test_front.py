"""Throughput against latency: every stream at its place, this plan first."""

import pytest

from stagecut.compiler.ir.planned_stream import FrontPoint
from stagecut.compiler.report.page.front import front
from stagecut.compiler.report.page.html import to_html
from tests.support.planned import report_of
from tests.support.planned_variants import mixed
from tests.support.report_of_a_stream import report_of_a_stream

SOONER = FrontPoint(0.02, 0.05, "1 x two", "measured")
LEAST = FrontPoint(0.04, 0.04, "1 x four", "modelled")
MORE = FrontPoint(0.005, 0.2, "3 x one", "measured")


def test_every_stream_has_its_place() -> None:
    drawn = front(report_of_a_stream(SOONER, LEAST, another=MORE))
    assert [(mark.number, mark.kind) for mark in drawn.marks] == [
        (1, "chosen"),
        (2, "other"),
        (3, "other"),
        (4, "more"),
    ]
    chosen, sooner, _, more = drawn.marks
    assert chosen.x == pytest.approx(2 * sooner.x) == pytest.approx(more.x / 2)
    assert (
        100 - chosen.y == pytest.approx(2 * (100 - sooner.y)) == pytest.approx((100 - more.y) / 2)
    )
    assert all(0 < mark.x < 100 and 0 < mark.y < 100 for mark in drawn.marks)
    assert chosen.title == "this plan: 100 inputs/s, 100 ms each: 2 x one"
    assert [tick.text for tick in drawn.across] == ["0", "50", "100", "150", "200"]
    assert [tick.text for tick in drawn.up][:2] == ["0 s", "50.0 ms"]


def test_the_page_draws_them_and_says_why() -> None:
    page = to_html(report_of_a_stream(SOONER, LEAST, another=MORE))
    assert page.count('<circle class="other"') == 2
    assert page.count('<circle class="chosen"') == page.count('<circle class="more"') == 1
    assert "25 inputs/s~" in page
    assert page.count("--max-latency 50ms<") == page.count("--max-latency 40ms<") == 1
    assert "Why not." in page
    assert "2 × one in processes" in page


def test_nothing_to_choose_from_is_no_drawing() -> None:
    assert front(report_of_a_stream()).marks == ()
    assert front(report_of(mixed())).marks == ()
    assert 'id="front"' not in to_html(report_of_a_stream())


def test_what_takes_no_time_has_no_place() -> None:
    assert front(report_of_a_stream(FrontPoint(0.0, 0.0, "1 x none", "modelled"))).marks == ()

"""Throughput against latency: every stream at its place, this plan first."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.hosts_stream import Place
from stagecut.compiler.ir.planned_stream import FrontPoint
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report, Streaming
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.page.front import front
from stagecut.compiler.report.page.html import to_html
from tests.support.planned import report_of
from tests.support.planned_variants import mixed

SOONER = FrontPoint(0.02, 0.05, "1 x two", "measured")
LEAST = FrontPoint(0.04, 0.04, "1 x four", "modelled")
MORE = FrontPoint(0.005, 0.2, "3 x one", "measured")


def _report(*points: FrontPoint, another: FrontPoint | None = None) -> Report:
    report = report_of(mixed())
    stream = Streaming(
        ((2, "one"),),
        1,
        Figure(0.1, "measured"),
        (1.0,),
        "why not",
        another,
        points,
        "processes",
        ("2 inputs in a call: slower",),
        3,
        2,
        1_234,
        ((Place("one", 2),),),
        (),
    )
    summary = replace(report.summary, streaming=stream, predicted=Figure(0.01, "measured"))
    return replace(report, summary=summary)


def test_every_stream_has_its_place() -> None:
    drawn = front(_report(SOONER, LEAST, another=MORE))
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
    page = to_html(_report(SOONER, LEAST, another=MORE))
    assert page.count('<circle class="other"') == 2
    assert page.count('<circle class="chosen"') == page.count('<circle class="more"') == 1
    assert "25 inputs/s~" in page
    assert page.count("--max-latency 50ms<") == page.count("--max-latency 40ms<") == 1
    assert "Why not." in page
    assert "2 × one in processes" in page


def test_nothing_to_choose_from_is_no_drawing() -> None:
    assert front(_report()).marks == ()
    assert front(report_of(mixed())).marks == ()
    assert 'id="front"' not in to_html(_report())


def test_what_takes_no_time_has_no_place() -> None:
    assert front(_report(FrontPoint(0.0, 0.0, "1 x none", "modelled"))).marks == ()


def test_what_was_tried_is_said() -> None:
    report = _report()
    assert wording.batches(report.summary) == "tried: 2 inputs in a call: slower"
    assert "2 inputs in a call: slower" in to_html(report)
    assert wording.batches(report_of(mixed()).summary) == ""


def test_how_much_was_measured_is_said() -> None:
    report = _report()
    expected = "measured in a stream: 2 of the 1,234 stages that may be chosen"
    assert wording.measured_stages(report.summary) == expected
    assert "2 of the 1,234 stages" in to_html(report)
    assert wording.measured_stages(report_of(mixed()).summary) == ""


def test_the_latency_is_that_with_as_many_in_flight_as_there_are() -> None:
    assert wording.streaming(_report().summary).endswith("an input takes 100 ms with 3 in flight")

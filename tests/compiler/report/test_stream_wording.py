"""What a report says of streams."""

from dataclasses import replace
from html import escape

from stagecut.compiler.report import stream_wording
from stagecut.compiler.report.page.html import to_html
from tests.support.planned import report_of
from tests.support.planned_variants import mixed
from tests.support.report_of_a_stream import report_of_a_stream


def test_what_was_tried_is_said() -> None:
    report = report_of_a_stream()
    assert stream_wording.batches(report.summary) == "tried: 2 inputs in a call: slower"
    assert "2 inputs in a call: slower" in to_html(report)
    assert stream_wording.batches(report_of(mixed()).summary) == ""


def test_how_much_was_measured_is_said() -> None:
    report = report_of_a_stream()
    expected = "measured in a stream: 2 of the 1,234 stages that may be chosen"
    assert stream_wording.measured_stages(report.summary) == expected
    assert "2 of the 1,234 stages" in to_html(report)
    assert stream_wording.measured_stages(report_of(mixed()).summary) == ""


def test_what_hosts_lose_to_each_other_is_said() -> None:
    summary = report_of_a_stream().summary
    assert stream_wording.together(summary) == ""
    assert summary.streaming is not None
    factors = (("local", 1.0), ("b", 1.25), ("c", 1.1))
    slower = replace(summary, streaming=replace(summary.streaming, loaded_factors=factors))
    said = "while several hosts work, nodes take longer: by 25% on b, 10% on c"
    assert stream_wording.together(slower) == said
    assert said in stream_wording.lines(slower)
    assert stream_wording.together(report_of(mixed()).summary) == ""


def test_the_latency_is_that_with_as_many_in_flight_as_there_are() -> None:
    assert stream_wording.streaming(report_of_a_stream().summary).endswith(
        "an input takes 100 ms with 3 in flight"
    )


def test_all_that_is_said_stands_together() -> None:
    summary = report_of_a_stream().summary
    said = stream_wording.lines(summary)
    assert said[0] == stream_wording.streaming(summary)
    assert said[-1] == stream_wording.batches(summary)
    assert all(said)
    page = to_html(report_of_a_stream())
    assert [page.index(escape(line[1:])) for line in said] == sorted(
        page.index(escape(line[1:])) for line in said
    )
    assert stream_wording.lines(report_of(mixed()).summary) == ()

"""The page's charts: marks lie where the figures say."""

from dataclasses import replace

import pytest

from stagecut.compiler.report.page.charts import (
    contender_bars,
    operator_bars,
    scatter,
    share_bars,
    whiskers,
)
from tests.support.planned import Sample, gate_report_of, report_of
from tests.support.planned_variants import cpu_only, empty, mixed, never_run, one_node, relayed


def test_shares_fill_their_bar() -> None:
    bars = share_bars(report_of(mixed()))
    assert bars[-1].x + bars[-1].width == pytest.approx(100)
    assert [bar.style for bar in bars] == [
        "d0",
        "d1",
        "d2 modelled",
        "link modelled",
        "link modelled",
    ]


def test_what_is_placed_lies_within_what_could_be() -> None:
    report = report_of(mixed())
    for drawn in operator_bars(report, report.operators):
        assert all(bar.placed.width <= bar.capable.width for bar in drawn.bars)
    matmul = operator_bars(report, report.operators)[0]
    assert matmul.bars[0].capable.width == pytest.approx(100)  # the longest of all
    assert matmul.bars[2].capable.label == "pim.hbm: 860 µs~ for 4 of 5, 2 placed here"


def test_contenders_share_a_scale() -> None:
    drawn = whiskers(report_of(mixed()))
    assert [whisker.style for whisker in drawn] == ["plan", "d1", "d0"]
    assert drawn[-1].most == pytest.approx(100)
    assert drawn[1].median / drawn[0].median == pytest.approx(1.02 * 1721 / (1.01 * 1101.192))


def test_contenders_end_at_their_medians_above_an_axis() -> None:
    drawn = contender_bars(report_of(mixed()))
    assert [each.label for each in drawn.bars] == [
        "optimum: 1.11 ms~, this plan",
        "cpu.parallel: 1.76 ms",
        "cpu.serial: 3.10 ms",
    ]
    assert [each.chosen for each in drawn.bars] == [True, False, False]
    assert [each.bar.style for each in drawn.bars] == ["link modelled", "d1", "d0"]
    for each in drawn.bars:
        assert each.low <= each.bar.width <= each.high <= 100
    assert drawn.ticks[0].text == "0 s"
    assert drawn.height == 3 * 38


def test_a_contender_that_never_ran_has_no_interval() -> None:
    [first, *_] = contender_bars(report_of(never_run())).bars
    assert first.low == first.bar.width == first.high
    assert first.bar.title.endswith("added up, never run")


def test_a_right_prediction_lies_on_the_diagonal() -> None:
    sample = cpu_only()
    events = tuple(
        replace(event, duration_s=time_s)
        for event, time_s in zip(sample.trace.events, (42.42e-6, 1683.67e-6, 5.05e-6), strict=True)
    )
    drawn = scatter(report_of(replace(sample, trace=replace(sample.trace, events=events))))
    assert len(drawn.dots) == 3
    assert all(dot.x + dot.y == pytest.approx(100) for dot in drawn.dots)
    assert [tick.text for tick in drawn.ticks] == [
        "1.00 µs",
        "10.0 µs",
        "100 µs",
        "1.00 ms",
        "10.0 ms",
    ]


def test_modelled_parts_are_not_compared_with_themselves() -> None:
    assert len(scatter(report_of(mixed())).dots) == 4  # stages 0, 1, 3 and 4


def test_a_dot_says_what_it_compares() -> None:
    by_costs, by_gate = scatter(gate_report_of(cpu_only())), scatter(report_of(cpu_only()))
    assert by_costs.dots[0].title == "stage 0: 42.0 µs predicted, 42.4 µs observed"
    assert by_gate.dots[0].title == "stage 0: 42.4 µs at the gate, 40.7 µs observed"


def test_measured_transfers_are_compared_too() -> None:
    titles = [dot.title for dot in scatter(report_of(relayed())).dots]
    assert "far: 20.0 µs predicted, 20.0 µs observed" in titles
    assert len(titles) == 4 + 5


@pytest.mark.parametrize("sample", [empty(), one_node()], ids=["no node", "one node"])
def test_small_plans_are_drawn_too(sample: Sample) -> None:
    report = report_of(sample)
    assert len(scatter(report).dots) == len(report.stages)
    assert len(share_bars(report)) == len(report.shares)

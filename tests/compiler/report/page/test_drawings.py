"""The page's drawings: marks lie where the figures say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.page.charts import operator_bars, scatter, share_bars, whiskers
from stagecut.compiler.report.page.timeline import ticks, timeline
from tests.support.manifests import cpu_only, empty, mixed, one_node
from tests.support.planned import Sample


def report_of(sample: Sample) -> Report:
    return build_report(sample.manifest, sample.table, sample.trace)


TICKS = {
    "round steps": (1.1e-3, ["0 s", "200 µs", "400 µs", "600 µs", "800 µs", "1.00 ms"]),
    "the end itself": (4.0, ["0 s", "1.00 s", "2.00 s", "3.00 s", "4.00 s"]),
    "minutes": (1200.0, ["0 s", "5.0 min", "10.0 min", "15.0 min", "20.0 min"]),
    "no time": (0.0, []),
}


@pytest.mark.parametrize(("end_s", "texts"), TICKS.values(), ids=TICKS.keys())
def test_ticks(end_s: float, texts: list[str]) -> None:
    assert [tick.text for tick in ticks(end_s)] == texts


@given(st.floats(1e-12, 1e6))
def test_there_are_a_few_ticks_and_they_lie_within(end_s: float) -> None:
    places = [tick.x for tick in ticks(end_s)]
    assert 2 <= len(places) <= 7
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] <= 100 + 1e-6


def test_links_lie_between_the_memories_they_join() -> None:
    lanes = [lane.name for lane in timeline(report_of(mixed())).lanes]
    assert lanes == [
        "cpu.serial",
        "cpu.parallel",
        "host → pim.hbm",
        "pim.hbm → host",
        "pim.hbm",
    ]


def test_lanes_do_not_overlap() -> None:
    drawn = timeline(report_of(mixed()))
    for lane, following in zip(drawn.lanes, drawn.lanes[1:], strict=False):
        assert max(bar.y + bar.height for bar in lane.bars) <= following.y
    assert max(bar.y + bar.height for bar in drawn.lanes[-1].bars) <= drawn.height


def test_predicted_lies_above_observed_on_the_same_scale() -> None:
    lane = timeline(report_of(mixed())).lanes[1]
    predicted, observed = lane.bars[0], lane.bars[2]
    assert predicted.y + predicted.height <= observed.y
    assert observed.width / predicted.width == pytest.approx(1.03)


def test_every_stage_and_copy_has_its_bars() -> None:
    bars = [bar for lane in timeline(report_of(mixed())).lanes for bar in lane.bars]
    assert len(bars) == 2 * (5 + 2)
    assert all(bar.x >= 0 and bar.x + bar.width <= 100 + 1e-6 for bar in bars)


def test_without_a_trace_only_the_prediction_is_drawn() -> None:
    sample = mixed()
    lanes = timeline(build_report(sample.manifest, sample.table)).lanes
    assert sum(len(lane.bars) for lane in lanes) == 5 + 2


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


def test_a_right_prediction_lies_on_the_diagonal() -> None:
    sample = cpu_only()
    events = tuple(
        replace(event, duration_s=time_s)
        for event, time_s in zip(sample.trace.events, (42e-6, 1667e-6, 5e-6), strict=True)
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


@pytest.mark.parametrize("sample", [empty(), one_node()], ids=["no node", "one node"])
def test_small_plans_are_drawn_too(sample: Sample) -> None:
    report = report_of(sample)
    assert len(timeline(report).lanes) == len(report.stages)
    assert len(scatter(report).dots) == len(report.stages)
    assert len(share_bars(report)) == len(report.shares)

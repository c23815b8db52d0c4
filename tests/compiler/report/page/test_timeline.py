"""The timeline's drawing: lanes in the machine's order, bars where the figures say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.report.page.timeline import ticks, timeline
from tests.support.planned import Sample, gate_report_of, report_of
from tests.support.planned_variants import empty, mixed, one_node, relayed

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


def test_every_stage_and_transfer_has_its_bars() -> None:
    bars = [bar for lane in timeline(report_of(mixed())).lanes for bar in lane.bars]
    assert len(bars) == 2 * (5 + 2)
    assert all(bar.x >= 0 and bar.x + bar.width <= 100 + 1e-6 for bar in bars)


def test_without_a_trace_only_the_prediction_is_drawn() -> None:
    lanes = timeline(gate_report_of(mixed())).lanes
    assert sum(len(lane.bars) for lane in lanes) == 5 + 2


def test_links_of_a_memory_without_a_device_come_last() -> None:
    report = report_of(relayed())
    without = replace(report, devices=tuple(d for d in report.devices if d.memory != "a"))
    stages = tuple(stage for stage in report.stages if stage.device != "da")
    lanes = [lane.name for lane in timeline(replace(without, stages=stages)).lanes]
    assert lanes == ["cpu", "db", "host → a", "a → b", "a → host", "b → a"]


@pytest.mark.parametrize("sample", [empty(), one_node()], ids=["no node", "one node"])
def test_small_plans_are_drawn_too(sample: Sample) -> None:
    report = report_of(sample)
    assert len(timeline(report).lanes) == len(report.stages)

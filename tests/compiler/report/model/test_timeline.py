"""The steps of a run laid out in time: no gap, in the schedule's order, up to the plan's end."""

from dataclasses import replace

import pytest

from stagecut.compiler.report.model.timeline import observed_spans, predicted_spans
from tests.support.planned import US, Sample
from tests.support.planned_variants import cpu_only, empty, large, mixed, one_node, relayed

SAMPLES = {
    "a mixed plan": mixed(),
    "a plan on the CPU alone": cpu_only(),
    "a plan with a relay": relayed(),
    "a plan of one node": one_node(),
    "a plan of no node": empty(),
    "a plan of 200 nodes": large(200),
}
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


@every_sample
def test_there_is_no_gap_and_it_ends_with_the_plan(sample: Sample) -> None:
    for spans, total_s in (
        (predicted_spans(sample.planned), sample.planned.account.latency_s),
        (observed_spans(sample.trace), sample.trace.latency_s),
    ):
        end_s = 0.0
        for span in spans:
            assert span.start_s == pytest.approx(end_s)
            end_s = span.start_s + span.time.time_s
        assert end_s == pytest.approx(total_s)


def test_transfers_stand_before_the_stage_that_waits_for_them() -> None:
    spans = [span.name for span in predicted_spans(mixed().planned)]
    assert spans == ["stage 0", "stage 1", "norm1", "stage 2", "down", "stage 3", "stage 4"]


def test_what_is_handed_back_comes_last() -> None:
    assert predicted_spans(large(9).planned)[-1].name == "/layer.0/down"


def test_a_modelled_part_is_drawn_out_to_its_modelled_time() -> None:
    trace = mixed().trace
    events = tuple(
        replace(event, wall_s=0.5 * event.wall_s) if event.basis == "modelled" else event
        for event in trace.events
    )
    spans = observed_spans(replace(trace, events=events))
    modelled = next(span for span in spans if span.stage == 2)
    assert round(modelled.time.time_s / US, 3) == 332
    assert modelled.time.basis == "modelled"

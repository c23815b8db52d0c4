"""The answer at a glance, checked by eye against the sample plans."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.recorded import Recorded
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.figures import Figure, Observation
from stagecut.compiler.report.model.summary import summarize
from tests.support.planned import US, gate_report_of, report_of
from tests.support.planned_variants import cpu_only, empty, mixed, never_run, one_node, overruled


def us(figure: Figure | None) -> tuple[float, str]:
    """The time in whole nanoseconds, but written in microseconds."""
    assert figure is not None
    return round(figure.time_s / US, 3), figure.basis


def test_a_mixed_plan() -> None:
    summary = report_of(mixed()).summary
    assert us(summary.predicted) == (1101.192, "modelled")
    assert summary.rival is not None
    assert summary.rival.name == "cpu.parallel"
    assert summary.rival.ratio == pytest.approx(1.02 * 1721 / (1.01 * 1101.192))
    assert (summary.nodes, summary.stages, summary.transfers) == (12, 5, 2)
    assert summary.transferred_bytes == 2 * 65536
    assert (summary.profile_paths, summary.profile_runs) == (2, 40)


def test_a_trace_is_what_was_observed_and_the_gate_what_was_foretold() -> None:
    sample = mixed()
    summary = report_of(sample).summary
    latency_s = sample.trace.latency_s
    assert summary.observed == Observation(
        Figure(latency_s, "modelled"), "trace", latency_s, latency_s, 1
    )
    assert us(summary.as_built) == (round(1.01 * 1101.192, 3), "modelled")
    assert summary.foretold is summary.as_built
    assert us(summary.predicted) == (1101.192, "modelled")


def test_without_a_trace_the_gate_is_what_was_observed() -> None:
    summary = gate_report_of(cpu_only()).summary
    observed = summary.observed
    assert observed is not None
    assert observed.source == "gate"
    assert us(observed.total) == (1731.14, "measured")
    assert observed.runs == 20
    assert (observed.low_s, observed.high_s) == pytest.approx(
        (0.99 * 1731.14e-6, 1.02 * 1731.14e-6)
    )
    assert summary.as_built is None
    assert summary.foretold is summary.predicted


def test_contenders_that_were_only_predicted_are_no_observation() -> None:
    summary = gate_report_of(never_run()).summary
    assert summary.observed is None
    assert report_of(never_run()).summary.as_built is None
    assert summary.rival is not None
    assert us(summary.rival.alone.total) == (1721, "measured")
    assert summary.rival.alone.source == "predicted"


def test_the_optimum_may_be_overruled_by_the_gate() -> None:
    summary = gate_report_of(overruled()).summary
    assert summary.shipped.name == "cpu.parallel"
    assert not summary.shipped.is_optimum
    assert us(summary.predicted) == (1721, "measured")
    assert summary.overruled is not None
    assert us(summary.overruled.predicted) == (1101.192, "modelled")
    assert summary.overruled.observed is not None
    assert us(summary.overruled.observed.total) == (2000, "modelled")
    assert summary.certificate.total == pytest.approx(1101.192 * US)
    assert gate_report_of(mixed()).summary.overruled is None


def test_an_optimum_that_was_left_out_of_the_comparison_has_no_observed_figure() -> None:
    sample = overruled()
    plan = replace(sample.planned, contenders=sample.planned.contenders[1:])
    overruled_by = build_report(plan, sample.table).summary.overruled
    assert overruled_by is not None
    assert us(overruled_by.predicted) == (1101.192, "modelled")
    assert overruled_by.observed is None
    by_energy = summarize(replace(plan, objective="energy"), (), Recorded()).overruled
    assert by_energy is not None
    assert by_energy.predicted is None


def test_a_plan_is_the_optimum_whatever_else_it_is() -> None:
    shipped = gate_report_of(one_node()).summary.shipped
    assert (shipped.name, shipped.single_device, shipped.is_optimum) == (
        "cpu.serial",
        "cpu.serial",
        True,
    )


def test_the_rival_is_never_the_plan_itself() -> None:
    rival = gate_report_of(overruled()).summary.rival
    assert rival is not None
    assert rival.name == "cpu.serial"
    assert rival.ratio == pytest.approx(3039 / 1721)


def test_a_rival_that_was_run_is_not_compared_with_a_plan_that_was_not() -> None:
    plan = never_run().planned
    measured = tuple(
        replace(each, accounting="predicted" if each.chosen else "measured")
        for each in plan.contenders
    )
    assert build_report(replace(plan, contenders=measured), mixed().table).summary.rival is None


def test_the_certificate_is_repeated_with_its_scope() -> None:
    sample = mixed()
    loose = Certificate.of("search", 1.0, 0.9, in_order=1.0)
    proof = build_report(replace(sample.planned, certificate=loose), sample.table).summary
    assert proof.certificate.scope == "in the graph's order"
    assert proof.certificate.claim == loose.claim
    assert (proof.certificate.exact, proof.certificate.gap) == (False, loose.gap)


def test_how_far_measured_stages_were_off() -> None:
    assert gate_report_of(mixed()).summary.off_by == pytest.approx(0.01)
    assert report_of(mixed()).summary.off_by == pytest.approx(1 - 0.97 / 1.01, abs=0.02)
    assert report_of(empty()).summary.off_by is None


def test_energy_is_that_of_the_whole_run() -> None:
    sample = mixed()
    run = replace(sample.planned.run, account=replace(sample.planned.account, energy_j=2.5))
    known = replace(sample.planned, run=run)
    assert build_report(known, sample.table).summary.energy_j == 2.5
    assert build_report(sample.planned, sample.table).summary.energy_j is None
    assert gate_report_of(empty()).summary.energy_j is None


def test_loading_is_added_up_over_the_stages() -> None:
    sample = mixed()
    stages = tuple(replace(stage, load_s=0.5) for stage in sample.planned.stages)
    loaded = replace(sample.planned, run=replace(sample.planned.run, stages=stages))
    assert build_report(loaded, sample.table).summary.load_s == 2.5
    assert gate_report_of(empty()).summary.load_s == 0


def test_the_kind_of_the_plan_is_told() -> None:
    sample = mixed()
    first = ContenderId(ContenderKind.FIRST, "cpu.serial")
    contenders = (replace(sample.planned.shipped, id=first), *sample.planned.contenders[1:])
    plan = replace(sample.planned, contenders=contenders)
    shipped = build_report(plan, sample.table).summary.shipped
    assert (shipped.kind, shipped.device, shipped.name) == (
        "first",
        "cpu.serial",
        "cpu.serial first",
    )

"""The first lines: what was observed leads, and what is proved is said of the optimum alone."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.report import headline
from stagecut.compiler.report.model.build import build_report
from tests.support.planned import Sample, gate_report_of, report_of
from tests.support.planned_variants import (
    configured,
    empty,
    mixed,
    never_run,
    one_node,
    overruled,
)


def leading(sample: Sample, *, traced: bool = False) -> str:
    """The first line of what is said of a plan."""
    summary = (report_of if traced else gate_report_of)(sample).summary
    return " ".join(headline.lead(summary))


LEADS = {
    "what the gate observed, how sure that is, and the prediction beside it": (
        leading(mixed()),
        "1.11 ms~ observed (95 % within 1.10 .. 1.13 ms~), 1.10 ms~ predicted (off by +1.0 %)",
    ),
    "a traced run against what the gate observed": (
        leading(mixed(), traced=True),
        "1.12 ms~ observed (one traced run, +0.6 % against the gate's 1.11 ms~), "
        "1.10 ms~ predicted",
    ),
    "a traced run of a plan that the gate did not run": (
        leading(never_run(), traced=True),
        "1.12 ms~ observed (one traced run), 1.10 ms~ predicted (off by +1.6 %)",
    ),
    "a plan that was never run": (leading(never_run()), "1.10 ms~ predicted, never run"),
    "a plan that is not the optimum": (
        leading(overruled()),
        "1.76 ms observed (95 % within 1.74 .. 1.79 ms), 1.72 ms predicted (off by +2.0 %); "
        "cpu.parallel alone ships, not the optimum of the costs",
    ),
}


@pytest.mark.parametrize(("said", "text"), LEADS.values(), ids=LEADS.keys())
def test_the_first_line(said: str, text: str) -> None:
    assert said == text


def test_a_plan_that_is_no_single_device_ships_by_its_name() -> None:
    sample = overruled()
    fewer = replace(sample.planned.shipped, id=ContenderId(ContenderKind.FEWER_STAGES), also=())
    contenders = tuple(fewer if each.chosen else each for each in sample.planned.contenders)
    plan = replace(sample.planned, contenders=contenders)
    line = leading(replace(sample, planned=plan))
    assert line.endswith('; "optimum, fewer stages" ships, not the optimum of the costs')


def proved(sample: Sample, certificate: Certificate | None = None) -> str:
    plan = replace(sample.planned, certificate=certificate or sample.planned.certificate)
    return headline.optimum(build_report(plan, sample.table).summary)


CERTIFICATES = {
    "optimal": Certificate.of("elimination", 1.0, 1.0),
    "in the graph's order": Certificate.of("search", 1.0, 0.9, in_order=1.0),
    "with a gap": Certificate.of("search", 1.0, 0.9),
}


@pytest.mark.parametrize("certificate", CERTIFICATES.values(), ids=CERTIFICATES.keys())
def test_what_is_proved_is_what_the_certificate_claims(certificate: Certificate) -> None:
    assert proved(mixed(), certificate) == f"by the costs, {certificate.claim}"


def test_what_is_proved_is_said_of_the_optimum_alone_where_another_plan_ships() -> None:
    assert proved(overruled()) == (
        "the optimum of the costs: 1.10 ms~ predicted, 2.00 ms~ observed "
        "(95 % within 1.98 .. 2.04 ms~); by the costs, optimal: no other schedule costs less"
    )
    assert proved(overruled(), CERTIFICATES["with a gap"]).startswith(
        "the best schedule that was found by the costs: 1.10 ms~ predicted, 2.00 ms~ observed"
    )


def test_an_optimum_that_did_not_take_part_was_never_run() -> None:
    sample = overruled()
    others = tuple(each for each in sample.planned.contenders if not each.is_optimum)
    plan = replace(sample, planned=replace(sample.planned, contenders=others))
    assert proved(plan).startswith("the optimum of the costs: 1.10 ms~ predicted, never run; ")


RIVALRIES = {
    "faster than the best single device": (
        mixed(),
        "1.58 × as fast as the best single device, cpu.parallel (1.76 ms observed)",
    ),
    "by the costs alone": (
        never_run(),
        "1.56 × as fast as the best single device, cpu.parallel (1.72 ms predicted)",
    ),
    "a single device itself": (
        overruled(),
        "everything on cpu.parallel; 1.77 × as fast as cpu.serial alone (3.10 ms observed)",
    ),
    "a single device in another configuration than its usual one": (
        configured(),
        "everything on cpu.parallel (pinning=on); 2.00 × as fast as cpu.parallel alone "
        "(1.76 ms observed)",
    ),
    "the optimum, which is a single device": (
        one_node(),
        "everything on cpu.serial; 2.53 × as fast as cpu.parallel alone (5.10 µs observed)",
    ),
    "nothing to compare with": (empty(), "compared with no other plan"),
}


@pytest.mark.parametrize(("sample", "text"), RIVALRIES.values(), ids=RIVALRIES.keys())
def test_rivalry(sample: Sample, text: str) -> None:
    assert headline.rivalry(gate_report_of(sample)) == text


def test_where_no_device_can_run_it_all_it_has_no_rival() -> None:
    sample = mixed()
    first = ContenderId(ContenderKind.FIRST, "cpu.serial")
    split = tuple(
        each if each.chosen else replace(each, id=first) for each in sample.planned.contenders
    )
    report = build_report(replace(sample.planned, contenders=split), sample.table)
    assert headline.rivalry(report) == "no device alone was compared with it"
    unable = tuple(replace(device, alone=None) for device in report.devices)
    assert headline.rivalry(replace(report, devices=unable)) == "no device alone can run it"

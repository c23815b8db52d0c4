"""A report as a whole: its parts add up, and what belongs to another plan is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.errors import CostTableError, PlanError, TraceError
from stagecut.compiler.ir.schedule import Run
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.figures import Figure
from tests.support.planned import Sample, random_plan, report_of
from tests.support.planned_variants import (
    cpu_only,
    empty,
    hostile,
    large,
    mixed,
    one_node,
    overruled,
    relayed,
)
from tests.support.tables import seeded_table

SAMPLES = {
    "a mixed plan": mixed(),
    "a plan on the CPU alone": cpu_only(),
    "a plan that is not the optimum": overruled(),
    "a plan with a relay": relayed(),
    "a plan of one node": one_node(),
    "a plan of no node": empty(),
    "a plan with hostile names": hostile(),
    "a plan of 200 nodes": large(200),
}
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


@every_sample
def test_the_parts_add_up_to_the_whole(sample: Sample) -> None:
    report = report_of(sample)
    predicted_s = report.summary.predicted.time_s
    stages_s = sum(stage.predicted.time_s for stage in report.stages)
    transfers_s = sum(transfer.predicted.time_s for transfer in report.transfers)
    assert stages_s + transfers_s == pytest.approx(predicted_s)
    assert sum(share.time.time_s for share in report.shares) == pytest.approx(predicted_s)
    assert sum(share.share for share in report.shares) == pytest.approx(1 if predicted_s else 0)
    assert sum(device.nodes for device in report.devices) == report.summary.nodes
    assert sum(row.nodes for row in report.operators) == report.summary.nodes


def assert_it_tells_every_step(sample: Sample) -> None:
    """Each once, in the schedule's order, and with what its account says."""
    report, schedule = report_of(sample), sample.planned.schedule
    steps = [
        (f"stage {step.stage}", schedule.stages[step.stage].device)
        if isinstance(step, Run)
        else (step.value, str(step.route))
        for step in schedule.steps
    ]
    for spans in (report.predicted_spans, report.observed_spans):
        assert [(span.name, span.lane) for span in spans] == steps
    costs = sample.planned.account.steps
    assert [span.time for span in report.predicted_spans] == [
        Figure(cost.time_s, cost.basis) for cost in costs
    ]
    assert [(stage.device, stage.nodes) for stage in report.stages] == [
        (stage.device, stage.nodes) for stage in schedule.stages
    ]
    assert [(row.value, row.source, row.target) for row in report.transfers] == [
        (step.value, *step.route) for step in schedule.transfers
    ]
    assert all(row.observed is not None for row in report.transfers)
    told = (report.summary.stages, report.summary.transfers)
    assert told == (len(report.stages), len(report.transfers))


@every_sample
def test_every_step_of_a_sample_is_told(sample: Sample) -> None:
    assert_it_tells_every_step(sample)


@given(st.integers(0, 10**6))
def test_every_step_of_a_random_plan_is_told(seed: int) -> None:
    sample = random_plan(seeded_table(seed), seed)
    if sample is not None:
        assert_it_tells_every_step(sample)


def test_contenders_stand_in_the_order_of_their_times_and_say_what_else_they_are() -> None:
    contenders = report_of(one_node()).contenders
    assert [(each.name, each.also, each.chosen) for each in contenders] == [
        ("cpu.serial", ("optimum",), True),
        ("cpu.parallel", (), False),
    ]
    assert contenders[0].median_s < contenders[1].median_s


def test_a_cost_table_of_another_plan_is_refused() -> None:
    with pytest.raises(PlanError, match="other nodes"):
        build_report(mixed().planned, one_node().table)


def test_energies_that_the_objective_needs_have_to_be_known() -> None:
    plan = replace(mixed().planned, objective="energy")
    with pytest.raises(CostTableError, match="this energy is needed"):
        build_report(plan, mixed().table)


OTHER_RUNS: dict[str, Callable[[tuple[Event, ...]], tuple[Event, ...]]] = {
    "a stage too few": lambda events: events[:-1],
    "a transfer too few": lambda events: tuple(e for e in events if e.name != "down"),
    "another device": lambda events: (replace(events[0], device="pim.hbm"), *events[1:]),
    "another order": lambda events: (*events[:2], events[3], events[2], *events[4:]),
}


@pytest.mark.parametrize("change", OTHER_RUNS.values(), ids=OTHER_RUNS.keys())
def test_a_run_of_another_plan_is_refused(
    change: Callable[[tuple[Event, ...]], tuple[Event, ...]],
) -> None:
    sample = mixed()
    other = Trace(change(sample.trace.events), sample.trace.wall_s)
    with pytest.raises(TraceError, match="are not the 5 and 2 of the plan"):
        build_report(sample.planned, sample.table, other)
    contenders = (replace(sample.planned.shipped, trace=other), *sample.planned.contenders[1:])
    with pytest.raises(PlanError, match="other steps than its schedule"):
        build_report(replace(sample.planned, contenders=contenders), sample.table)


def test_a_run_at_other_shapes_is_refused() -> None:
    sample = mixed()
    with pytest.raises(TraceError, match="it ran with tokens 1x7, and these figures are for"):
        build_report(sample.planned, sample.table, replace(sample.trace, shapes="tokens 1x7"))


@pytest.mark.parametrize("what", ["nodes", "devices", "costs"])
def test_the_table_of_another_plan_is_refused(what: str) -> None:
    sample = mixed()
    nodes, devices = sample.table.nodes, sample.table.machine.devices
    changed = {
        "nodes": replace(sample.table, nodes=(replace(nodes[0], name="other"), *nodes[1:])),
        "devices": replace(
            sample.table,
            machine=replace(
                sample.table.machine, devices=(replace(devices[0], basis="modelled"), *devices[1:])
            ),
        ),
        "costs": replace(
            sample.table,
            nodes=(
                replace(nodes[0], run_s=dict.fromkeys(nodes[0].run_s, 7.0)),
                *nodes[1:],
            ),
        ),
    }[what]
    with pytest.raises(PlanError, match=f"the cost table has other {what} than the plan"):
        build_report(sample.planned, changed)


def test_a_contender_in_which_one_device_comes_first_says_what_is_elsewhere() -> None:
    sample = mixed()
    first = ContenderId(ContenderKind.FIRST, "pim.hbm")
    nodes = sample.planned.nodes
    refused = [node.op for node in nodes if "pim.hbm" not in node.run_s]
    assert refused
    contenders = tuple(replace(each, id=first) for each in sample.planned.contenders[:1])
    planned = replace(sample.planned, contenders=(*contenders, *sample.planned.contenders[1:]))
    rows = build_report(planned, sample.table).contenders
    [row] = [each for each in rows if each.kind == "first"]
    assert row.elsewhere.startswith(f"{len(refused)} of {len(nodes)} nodes are elsewhere: ")
    assert refused[0] in row.elsewhere
    assert row.elsewhere in wording.remark(row)
    assert {each.elsewhere for each in rows if each.kind != "first"} == {""}

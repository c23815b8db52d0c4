"""Plan, run, report and diff agree on every transfer and every stage of a plan."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from stagecut.compiler import compile_model
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import Plan as StoredPlan
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import (
    AssignmentError,
    EngineError,
    ModelError,
    ScheduleError,
    UnplaceableError,
)
from stagecut.compiler.ir.machine import Memory, Route
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.schedule import Run, Schedule
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.difference import compare
from stagecut.passes.partition.partition import Partition
from stagecut.runtime import Session
from tests.support.planned_tables import Plan, on_the_host, plan_of, random_schedule
from tests.support.random_onnx import RandomModel, random_models
from tests.support.scattered import scattered
from tests.support.tables import seeded_table

#: A stage by its index and device, or a value by its name and route.
Said = tuple[object, str]


def _planned(schedule: Schedule) -> list[Said]:
    return [
        (step.stage, schedule.stages[step.stage].device)
        if isinstance(step, Run)
        else (step.value, str(step.route))
        for step in schedule.steps
    ]


def _run(trace: Trace) -> list[Said]:
    return [
        (event.stage if event.route is None else event.name, event.track) for event in trace.events
    ]


def _check(planned: PlannedVariant, table: CostTable, trace: Trace) -> None:
    """What the run did and what the report says is what the plan says, step by step."""
    schedule, costs = planned.schedule, planned.account
    steps = _planned(schedule)
    assert _run(trace) == steps
    report = build_report(planned, table, trace)
    for spans in (report.predicted_spans, report.observed_spans):
        assert [
            (span.name if span.stage is None else span.stage, span.lane) for span in spans
        ] == steps
    assert [(row.index, row.device) for row in report.stages] == [
        step for step in steps if isinstance(step[0], int)
    ]
    assert [row.nodes for row in report.stages] == [stage.nodes for stage in schedule.stages]
    transfers = [*schedule.transfers]
    assert [(row.value, Route(row.source, row.target)) for row in report.transfers] == [
        (step.value, step.route) for step in transfers
    ]
    assert [row.predicted.time_s for row in report.transfers] == [
        cost.time_s
        for step, cost in zip(schedule.steps, costs.steps, strict=True)
        if not isinstance(step, Run)
    ]
    summary = report.summary
    assert (summary.stages, summary.transfers) == (len(schedule.stages), len(transfers))
    assert summary.transferred_bytes == sum(cost.size_bytes for cost in costs.steps)
    assert summary.predicted.time_s == costs.latency_s
    assert not compare(planned, planned).decided_otherwise


def _check_difference(before: PlannedVariant, after: PlannedVariant) -> None:
    """What diff calls gone and new is the difference of the two schedules."""
    found = compare(before, after)
    was, now = before.schedule, after.schedule
    assert {*found.stages_gone} == {*was.stages} - {*now.stages}
    assert {*found.stages_new} == {*now.stages} - {*was.stages}
    gone, new = ({*one.transfers} - {*other.transfers} for one, other in ((was, now), (now, was)))
    assert {(each.value, each.source, each.target) for each in found.transfers_gone} == {
        (each.value, *each.route) for each in gone
    }
    assert {(each.value, each.source, each.target) for each in found.transfers_new} == {
        (each.value, *each.route) for each in new
    }
    amounts = {each.what: (each.before, each.after) for each in found.amounts}
    assert amounts["stages"] == (len(was.stages), len(now.stages))
    assert amounts["transfers"] == (len([*was.transfers]), len([*now.transfers]))
    assert {move.node for move in found.moves} == {
        node for node, device in was.device_of.items() if now.device_of[node] != device
    }


def _plans(count: int) -> Iterator[tuple[Plan, Plan]]:
    """So many plans, each with another one of the same table: of two, every tenth is optimal."""
    seed = 0
    while count > 0:
        seed += 1
        table = on_the_host(_roomy(seeded_table(seed, min_memories=2, starts=0.5)))
        random = Random(seed)  # noqa: S311
        try:
            schedules = [random_schedule(table, random), random_schedule(table, random)]
            if seed % 10 == 0:
                schedules[0] = Partition()(table).schedule
            first, second = (plan_of(table, schedule) for schedule in schedules)
        except (AssignmentError, ScheduleError, UnplaceableError):
            continue
        yield first, second
        count -= 2


def _roomy(table: CostTable) -> CostTable:
    memories = tuple(Memory(memory.name) for memory in table.machine.memories)
    return replace(table, machine=replace(table.machine, memories=memories))


@pytest.mark.no_cover
def test_two_thousand_random_plans() -> None:
    """In several memories, relays among them, with ends that are wanted in two of them."""
    transfers = stages = 0
    for plans in _plans(2000):
        for plan in plans:
            outputs, trace = plan.executor().run(plan.feeds())
            assert {name: str(array) for name, array in outputs.items()} == {
                name: name for name in plan.outputs
            }
            _check(plan.planned, plan.table, trace)
            stages += len(plan.planned.stages)
            transfers += sum(1 for _ in plan.planned.schedule.transfers)
        _check_difference(plans[0].planned, plans[1].planned)
        _check_difference(plans[1].planned, plans[0].planned)
    assert stages > 4000
    assert transfers > 3000


#: The host's memory, one of a modelled device, and one whose device computes with ONNX's reference.
DEVICES = ("cpu.serial", "pim.hbm", "null:memory=far")


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(model=random_models(), seed=st.integers(0, 99))
def test_thirty_random_models_through_compile(
    tmp_path_factory: pytest.TempPathFactory, model: RandomModel, seed: int
) -> None:
    """Each compiled twice with its nodes scattered over three memories, stored, loaded and run."""
    feeds = model.feeds(model.sizes[0])
    variants: list[PlannedVariant] = []
    for which in (seed, seed + 1):
        path = tmp_path_factory.mktemp("plan") / "x.plan"
        try:
            plan = compile_model(model.proto, devices=DEVICES, costs=scattered(which), feeds=feeds)
            plan.save(path)
        except (EngineError, ModelError):  # what ONNX's reference does not run
            reject()
        plan = StoredPlan.load(path)
        [stored] = plan.variants
        session = Session(plan)
        _, trace = session.run_with_trace(None, feeds)
        assert session.schedule == stored.planned.schedule
        _check(stored.planned, read_costs(stored.costs), trace)
        variants.append(stored.planned)
    _check_difference(*variants)

"""What a schedule costs, by eye; and every schedule that is refused."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.account import account, bytes_in
from stagecut.compiler.ir.costs import Budget, CostTable
from stagecut.compiler.ir.errors import AssignmentError, CostTableError, ScheduleError
from stagecut.compiler.ir.machine import Device, Link, Machine, Memory, Route
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.schedule import Schedule
from tests.support.tables import US, cost_table, cost_tables, every_assignment, in_order, placed

DIAMOND = cost_table("a: cpu 1, pim 1\n b(a): cpu 1, pim 1\n c(a): cpu 1, pim 1\n d(b, c): cpu 1")

CASES = {
    "all on one device": (DIAMOND, "cpu: a, b, c, d", 4),
    "a transfer is paid once for two consumers": (
        DIAMOND,
        "cpu: a, d; pim: b, c",
        4 + 2 + 2 + 2,
    ),
    "a branch pays there and back": (DIAMOND, "cpu: a, c, d; pim: b", 4 + 2 + 2),
    "devices of one memory share a value": (
        cost_table("a: cpu 1\n b(a): gang 1\n c(a): pim 1"),
        "cpu: a; gang: b; pim: c",
        3 + 2,
    ),
    "a value that is read twice by a node is transferred once": (
        cost_table("a: cpu 1\n b(a, a): pim 1"),
        "cpu: a; pim: b",
        2 + 2,
    ),
    "a bound input is transferred to its reader": (
        cost_table("a(x): pim 1", inputs="x@host"),
        "pim: a",
        1 + 2,
    ),
    "a free input is not": (cost_table("a(x): pim 1"), "pim: a", 1),
    "a bound output is transferred to its end": (
        cost_table("a: pim 1", outputs="a@host"),
        "pim: a",
        1 + 2,
    ),
    "an output that also has a reader there is transferred once": (
        cost_table("a: pim 1\n b(a): cpu 1", outputs="a@host"),
        "pim: a; cpu: b",
        2 + 2,
    ),
    "an input that is an output is transferred too": (
        cost_table("a(x): cpu 1", inputs="x@host", outputs="x@pim"),
        "cpu: a",
        1 + 2,
    ),
    "each change of device starts a stage": (
        cost_table(
            "a: cpu 1\n b: gang 1\n c: gang 1\n d: cpu 1", stage_us={"cpu": 10, "gang": 100}
        ),
        "cpu: a, d; gang: b, c",
        4 + 10 + 100 + 10,
    ),
}


@pytest.mark.parametrize(("table", "assignment", "total_us"), CASES.values(), ids=CASES.keys())
def test_latency(table: CostTable, assignment: str, total_us: float) -> None:
    found = account(table, in_order(table, placed(assignment)))
    assert found.latency_s == pytest.approx(total_us * US)


def test_another_order_can_save_a_stage() -> None:
    table = cost_table("a: cpu 1\n b: gang 1\n c: cpu 1", stage_us={"cpu": 5, "gang": 5})
    assignment = placed("cpu: a, c; gang: b")
    assert account(table, in_order(table, assignment)).start_s == pytest.approx(15 * US)
    other = in_order(table, assignment, ("a", "c", "b"))
    assert account(table, other).start_s == pytest.approx(10 * US)


BAD_ASSIGNMENTS = {
    "a node left out": ("run cpu: a, b, c", "node d", "not assigned"),
    "a device that cannot run it": (
        "run cpu: a, b, c\nrun pim: d",
        "node d (Op)",
        "cannot run it",
    ),
    "a node that does not exist": ("run cpu: a, b, c, d, e", "node e", "no such node"),
}


@pytest.mark.parametrize(
    ("schedule", "where", "problem"), BAD_ASSIGNMENTS.values(), ids=BAD_ASSIGNMENTS.keys()
)
def test_assignments_that_do_not_fit(schedule: str, where: str, problem: str) -> None:
    with pytest.raises(AssignmentError, match=problem) as error:
        account(DIAMOND, Schedule.parse(schedule))
    assert error.value.where == where


PAIR = cost_table("a(x): cpu 1\n b(a): pim 1", inputs="x@host", outputs="b@host")

REFUSED = {
    "it reads what is not there": (
        "run cpu: a\nrun pim: b\ntransfer b: pim > host",
        "node b in stage 1",
        "reads 'a', which is not in pim when it runs",
    ),
    "it reads what arrives too late": (
        "run cpu: a\nrun pim: b\ntransfer a: host > pim\ntransfer b: pim > host",
        "node b in stage 1",
        "reads 'a', which is not in pim when it runs",
    ),
    "it reads what its producer has not written": (
        "transfer x: host > pim\nrun pim: b\nrun cpu: a\ntransfer b: pim > host",
        "node b in stage 0",
        "reads 'a', which is not in pim when it runs",
    ),
    "it transfers what is not there": (
        "transfer a: host > pim\nrun cpu: a\nrun pim: b\ntransfer b: pim > host",
        "value a",
        "is not in host when it is transferred from there",
    ),
    "it transfers along no way": (
        "run cpu: a\ntransfer a: host > npu\nrun pim: b\ntransfer b: pim > host",
        "value a",
        "there is no direct way from host to npu",
    ),
    "it transfers a value that does not exist": (
        "run cpu: a\ntransfer z: host > pim\nrun pim: b\ntransfer b: pim > host",
        "value z",
        "there is no direct way from host to pim",
    ),
    "it runs a node twice": (
        "run cpu: a\ntransfer a: host > pim\nrun pim: b, b\ntransfer b: pim > host",
        "node b",
        "runs twice",
    ),
    "an end is missing": (
        "run cpu: a\ntransfer a: host > pim\nrun pim: b",
        "value b",
        "must end in host, and never gets there",
    ),
}


@pytest.mark.parametrize(("text", "where", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_schedules_that_cannot_be_carried_out(text: str, where: str, problem: str) -> None:
    with pytest.raises(ScheduleError) as error:
        account(PAIR, Schedule.parse(text))
    assert (error.value.where, error.value.problem) == (where, problem)
    assert error.value.fix


def test_an_account_has_an_entry_for_each_step() -> None:
    table = replace(
        PAIR,
        machine=Machine(
            (Memory("host"), Memory("pim", 100)),
            (Device("cpu", "host", stage_s=3 * US), Device("pim", "pim", "modelled")),
            (Link("host", "pim", basis="modelled"), Link("pim", "host", basis="modelled")),
        ),
        nodes=tuple(replace(node, weight_bytes=40) for node in PAIR.nodes),
    )
    text = "run cpu: a\ntransfer a: host > pim\nrun pim: b\ntransfer b: pim > host"
    found = account(table, Schedule.parse(text))
    assert [step.time_s / US for step in found.steps] == pytest.approx([4, 2, 1, 2])
    assert [step.basis for step in found.steps] == ["measured", *["modelled"] * 3]
    assert [step.size_bytes for step in found.steps] == [0, 1024, 0, 1024]
    assert [step.start_s / US for step in found.steps] == pytest.approx([3, 0, 0, 0])
    assert found.busy_s == pytest.approx(
        {"cpu": 4 * US, "host>pim": 2 * US, "pim": 1 * US, "pim>host": 2 * US}
    )
    assert found.uses == {bytes_in("host"): 40, bytes_in("pim"): 40}
    assert (found.basis, found.energy_j) == ("modelled", None)


def test_links_take_the_same_for_values_of_one_size_but_for_those_with_costs_of_their_own() -> None:
    drawn = cost_table(
        "a: cpu 1\n b: cpu 1\n c: cpu 1\n d: cpu 1\n e(a, b, c, d): pim 1",
        transfer_us={},
        sizes={"a": 1000, "b": 1000, "c": 2000, "d": 1000},
    )
    link = Link("host", "pim", latency_s=US, bytes_per_s=1e9)
    own = {Route("host", "pim"): 7 * US}
    table = replace(
        drawn,
        machine=replace(drawn.machine, links=(link,)),
        values=tuple(
            replace(value, transfer_s=own) if value.name == "d" else value for value in drawn.values
        ),
    )
    found = account(table, in_order(table, placed("cpu: a, b, c, d; pim: e")))
    assert [round(step.time_s / US) for step in found.steps] == [4, 2, 2, 3, 7, 1]


def test_devices_that_share_a_resource_keep_it_busy_together() -> None:
    drawn = cost_table("a: cpu 1\n b(a): gang 2\n c(b): pim 4", transfer_us=0)
    devices = tuple(
        replace(device, resource="cores" if device.memory == "host" else "")
        for device in drawn.machine.devices
    )
    table = replace(drawn, machine=replace(drawn.machine, devices=devices))
    found = account(table, in_order(table, placed("cpu: a; gang: b; pim: c")))
    assert found.busy_s == pytest.approx({"cores": 3 * US, "host>pim": 0, "pim": 4 * US})


@settings(max_examples=50)
@given(cost_tables(max_nodes=4))
def test_latency_is_the_sum_of_its_parts(table: CostTable) -> None:
    for assignment in every_assignment(table):
        try:
            schedule = in_order(table, assignment)
            found = account(table, schedule)
        except (AssignmentError, ScheduleError):
            continue
        assert min((step.time_s for step in found.steps), default=0) >= 0
        assert found.latency_s == pytest.approx(sum(step.time_s for step in found.steps))
        assert sum(found.busy_s.values()) == pytest.approx(found.latency_s)
        assert len(set(schedule.transfers)) == len([*schedule.transfers])


@settings(max_examples=50)
@given(cost_tables(max_nodes=4), st.randoms(use_true_random=False))
def test_a_schedule_without_one_of_its_steps_is_refused(table: CostTable, random: object) -> None:
    """Every transfer that is laid out is needed: none can be left out."""
    choose = getattr(random, "choice")  # noqa: B009  # hypothesis does not type it
    for assignment in every_assignment(table):
        try:
            schedule = in_order(table, assignment)
            account(table, schedule)
        except (AssignmentError, ScheduleError):
            continue
        transfers = [*schedule.transfers]
        if not transfers:
            continue
        dropped = choose(transfers)
        steps = tuple(step for step in schedule.steps if step != dropped)
        with pytest.raises(ScheduleError):
            account(table, Schedule(schedule.stages, steps))


TRANSFER_J = {Route("host", "pim"): 3.0, Route("pim", "host"): 4.0}


def test_energy_adds_up_like_time() -> None:
    drawn = cost_table("a: cpu 4\n b(a): pim 6", stage_us={"cpu": 1})
    a, b = drawn.nodes
    table = replace(
        drawn,
        values=tuple(replace(value, transfer_j=TRANSFER_J) for value in drawn.values),
        nodes=(replace(a, run_j={"cpu": 5.0}), replace(b, run_j={"pim": 7.0})),
    )
    found = account(table, in_order(table, placed("cpu: a; pim: b")))
    assert found.latency_s == pytest.approx((1 + 4 + 2 + 6) * US)
    assert found.energy_j == 5 + 3 + 7
    assert found.total(Objective(per_s=2.0, per_j=10.0)) == pytest.approx(26 * US + 150)
    assert found.uses["energy"] == 15


def test_an_energy_that_is_not_known() -> None:
    schedule = in_order(DIAMOND, placed("cpu: a, b, c, d"))
    found = account(DIAMOND, schedule)
    assert found.energy_j is None
    assert "energy" not in found.uses
    limited = replace(DIAMOND, budgets=(Budget("energy", 1.0),))
    for check in (lambda: account(limited, schedule), DIAMOND.require_energy):
        with pytest.raises(CostTableError) as error:
            check()
        assert error.value.where == "nodes[0].run_j.cpu"


def test_weights_that_do_not_fit() -> None:
    table = replace(
        DIAMOND,
        machine=replace(DIAMOND.machine, memories=(Memory("host"), Memory("pim", 100))),
        nodes=tuple(replace(node, weight_bytes=60) for node in DIAMOND.nodes),
    )
    one, two = placed("cpu: a, c, d; pim: b"), placed("cpu: a, d; pim: b, c")
    assert account(table, in_order(table, one)).latency_s == pytest.approx(8 * US)
    with pytest.raises(
        AssignmentError, match="120 bytes of weights, 20 bytes more than fit"
    ) as error:
        account(table, in_order(table, two))
    assert error.value.where == "memory pim"
    padded = tuple(replace(node, resident_bytes={"cpu": 9, "pim": 50}) for node in table.nodes)
    roomy = replace(table, nodes=padded)
    assert account(roomy, in_order(roomy, two)).uses[bytes_in("pim")] == 100


def test_a_budget_that_is_exceeded() -> None:
    table = replace(
        DIAMOND,
        budgets=(Budget("error", 1.0),),
        nodes=tuple(replace(node, uses={"error": {"pim": 0.75}}) for node in DIAMOND.nodes),
    )
    found = account(table, in_order(table, placed("cpu: a, c, d; pim: b")))
    assert found.uses["error"] == 0.75
    with pytest.raises(
        AssignmentError, match=r"is 1\.5, more than the 1 that are allowed"
    ) as error:
        account(table, in_order(table, placed("cpu: a, d; pim: b, c")))
    assert error.value.where == "budget error"

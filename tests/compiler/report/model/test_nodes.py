"""What nodes cost on every device, and what the plan would add if one ran elsewhere."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import Spread
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.rows import NodeRow, Option
from tests.support.planned import US, Sample, report_of
from tests.support.planned_variants import large, mixed, one_node, overruled


def option(name: str, device: str, report: Report | None = None) -> Option:
    nodes = {node.name: node for node in (report or report_of(mixed())).nodes}
    return next(option for option in nodes[name].options if option.device == device)


OPTIONS = {
    "where it runs there is no added time": ("up", "pim.hbm", 150, 0),
    "in another memory what it writes is transferred, what it reads no longer": (
        "up",
        "cpu.parallel",
        480,
        480 - 150,
    ),
    "a further stage costs its start": ("add1", "cpu.serial", 12, -2 + 2 + 5),
}


@pytest.mark.parametrize(("name", "device", "run_us", "extra_us"), OPTIONS.values(), ids=OPTIONS)
def test_an_option(name: str, device: str, run_us: float, extra_us: float) -> None:
    chosen = option(name, device)
    assert chosen.run is not None
    assert chosen.run.time_s == pytest.approx(run_us * US)
    assert chosen.extra_s == pytest.approx(extra_us * US)
    assert chosen.others == "stay"


def test_a_device_that_cannot_run_a_node_says_why() -> None:
    assert option("head", "pim.hbm") == Option(
        "pim.hbm", None, "MatMul needs a weight operand here", None, None
    )


def with_totals(sample: Sample, totals: dict[str, float], *, starts: bool = True) -> Report:
    """A report on a plan that knows what is best with `up` on each of its devices."""
    plan, table = sample.planned, sample.table
    if not starts:
        devices = tuple(replace(device, stage_s=0.0) for device in plan.machine.devices)
        plan = replace(plan, machine=replace(plan.machine, devices=devices))
    nodes = tuple(replace(n, totals=totals) if n.name == "up" else n for n in plan.nodes)
    return build_report(replace(plan, nodes=nodes), table)


def test_the_plan_knows_what_is_best_with_a_node_elsewhere() -> None:
    best_s = mixed().planned.account.latency_s
    totals = {"pim.hbm": best_s, "cpu.parallel": best_s + 7 * US}
    found = option("up", "cpu.parallel", with_totals(mixed(), totals))
    assert found.extra_s == pytest.approx(7 * US)
    assert found.others == "best in the graph's order"
    assert option("up", "pim.hbm", with_totals(mixed(), totals)).extra_s == 0
    unknown = option("up", "cpu.serial", with_totals(mixed(), totals))
    assert unknown.others == "stay"
    free = option("up", "cpu.parallel", with_totals(mixed(), totals, starts=False))
    assert free.others == "best"


def test_what_is_best_in_another_order_is_not_compared_with_this_plan() -> None:
    """The graph's order cannot do what the plan does: its totals are about slower plans."""
    best_s = mixed().planned.account.latency_s
    totals = {"pim.hbm": best_s + 3 * US, "cpu.parallel": best_s + 7 * US}
    found = option("up", "cpu.parallel", with_totals(mixed(), totals))
    assert found.extra_s == pytest.approx(330 * US)
    assert found.others == "stay"


def test_what_is_best_is_not_compared_with_a_plan_that_is_not_the_optimum() -> None:
    best_s = overruled().planned.account.latency_s
    report = with_totals(overruled(), {"cpu.parallel": best_s, "pim.hbm": best_s})
    assert option("up", "pim.hbm", report).others == "stay"


def test_what_varies_more_than_it_differs_is_doubtful() -> None:
    """The quartiles of a sample are 99 % and 102 % of its time."""
    costs = {"cpu.serial": 100 * US, "cpu.parallel": 102 * US}
    sample = one_node()
    node = replace(
        sample.table.nodes[0],
        run_s=costs,
        run_spread={name: Spread(20, 0.9 * t, 0.99 * t, 1.02 * t) for name, t in costs.items()},
    )
    planned = replace(sample.planned.nodes[0], run_s=costs)
    report = build_report(
        replace(sample.planned, nodes=(planned,)), replace(sample.table, nodes=(node,))
    )
    assert [option.doubtful for option in report.nodes[0].options] == [False, False]
    free = replace(
        sample.table.machine,
        devices=tuple(replace(device, stage_s=0.0) for device in sample.table.machine.devices),
    )
    report = build_report(
        replace(sample.planned, nodes=(planned,), machine=free),
        replace(sample.table, nodes=(node,), machine=free),
    )
    assert [option.doubtful for option in report.nodes[0].options] == [False, True]


def test_a_node_names_what_it_reads_and_writes() -> None:
    add: NodeRow = report_of(mixed()).nodes[4]
    assert (add.inputs, add.outputs) == (("project", "embed"), ("add1",))
    assert (add.device, add.stage) == ("cpu.parallel", 1)


def test_close_calls_are_the_cheapest_choices_closest_first() -> None:
    calls = report_of(mixed()).close_calls
    assert [(call.op, call.node, call.nodes, call.option.device) for call in calls[:3]] == [
        ("Add", "add2", 2, "cpu.serial"),  # add1 would cost more
        ("Gather", "embed", 1, "cpu.parallel"),
        ("MatMul", "head", 1, "cpu.parallel"),
    ]


def test_close_calls_do_not_repeat_themselves_layer_by_layer() -> None:
    calls = report_of(large(36)).close_calls
    assert [(call.op, call.nodes) for call in calls[:2]] == [("Add", 6), ("Gather", 3)]


def test_operators_are_ranked_by_what_they_take() -> None:
    rows = report_of(mixed()).operators
    assert [row.op for row in rows[:2]] == ["MatMul", "Softmax"]
    on_pim = rows[0].devices[2]
    assert (on_pim.capable, on_pim.placed) == (4, 2)
    assert on_pim.capable_time.time_s == pytest.approx(860 * US)
    assert on_pim.placed_time.time_s == pytest.approx(310 * US)
    assert {on_pim.capable_time.basis, on_pim.placed_time.basis} == {"modelled"}

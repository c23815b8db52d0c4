"""Moving one node: the quick answer equals two whole accounts, one less the other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.account import Account, account
from stagecut.compiler.ir.costs import ENERGY, Budget, CostTable, Endpoint
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.machine import Machine, Memory
from stagecut.compiler.ir.objective import ENERGY as BY_ENERGY
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.transfers import scheduled, stages_in
from stagecut.compiler.report.model.what_if import Delta, WhatIf
from tests.support.planned import US, random_plan
from tests.support.planned_variants import mixed, relayed, two_ends
from tests.support.tables import cost_table, random_table


def accounted(
    table: CostTable, order: Sequence[str], device_of: Mapping[str, str], objective: Objective
) -> tuple[Schedule, Account] | None:
    """The slow answer; None where there is no such plan."""
    try:
        schedule = scheduled(table, stages_in(order, device_of), objective)
        return schedule, account(table, schedule)
    except StagecutError:
        return None


def limited(table: CostTable, random: Random) -> CostTable:
    """With outputs that must end in a second memory, and budgets that are limits at times."""
    memories = [memory.name for memory in table.machine.memories]
    ends = {(end.name, end.memory) for end in table.outputs}
    ends |= {(end.name, random.choice(memories)) for end in table.outputs}
    nodes = tuple(
        replace(node, uses={"error": {name: random.randint(0, 3) for name in node.run_s}})
        for node in table.nodes
    )
    limits = [Budget("error", 2.0 * len(nodes)), Budget(ENERGY, 6.0 * len(nodes))]
    return replace(
        table,
        nodes=nodes,
        outputs=tuple(Endpoint(*end) for end in sorted(ends)),
        budgets=(limits[0], *limits[1 : 1 + random.randint(0, 1)]),
    )


@pytest.mark.parametrize("objective", [LATENCY, BY_ENERGY], ids=str)
@given(random=st.randoms(use_true_random=False))
def test_the_added_time_is_the_difference_of_two_accounts(
    random: Random, objective: Objective
) -> None:
    """Any order, three memories, missing links, relays, bound ends, stage starts, full memories."""
    table = limited(random_table(random, max_nodes=6), random)
    plan = random_plan(table, random.randint(0, 10**6))
    if plan is None:
        return
    order, device_of = plan.planned.schedule.order, plan.planned.schedule.device_of
    found = accounted(table, order, device_of, objective)
    assert found is not None
    schedule, before = found
    what_if = WhatIf(table, schedule, before, objective)
    for node in table.nodes:
        for device in node.run_s:
            delta = what_if.delta(node.name, device)
            moved = accounted(table, order, {**device_of, node.name: device}, objective)
            if moved is None:
                assert delta.extra_s == float("inf")
                assert delta.refusal
            else:
                extra_s = moved[1].latency_s - before.latency_s
                assert delta.extra_s == pytest.approx(extra_s, abs=1e-9)
                assert not delta.refusal


def test_a_value_that_must_end_in_two_memories_is_transferred_into_both() -> None:
    """y ends in host and in pim, 1 s away; moving it to pim saves nothing but its own second.

    run cpu: y, transfer y: host > pim   3 s + 1 s
    run pim: y, transfer y: pim > host   4 s + 1 s
    """
    table = cost_table(
        "y: cpu 3, pim 4",
        devices={"cpu": "host", "pim": "pim"},
        transfer_us=1,
        outputs="y@host, y@pim",
    )
    schedule = scheduled(table, stages_in(["y"], {"y": "cpu"}))
    what_if = WhatIf(table, schedule, account(table, schedule))
    assert what_if.delta("y", "pim").extra_s == pytest.approx(1 * US)


def test_a_hop_that_another_reader_needs_anyhow_is_paid_once() -> None:
    """`first` goes host > a for `near` (1 µs), and on to b for `far` (10 µs); with `far` on `da`,
    85 µs slower, the hops a > b and b > a (20 µs) fall away, and host > a and a > host stay."""
    sample = relayed()
    what_if = WhatIf(sample.table, sample.planned.schedule, sample.planned.account)
    assert what_if.delta("far", "da").extra_s == pytest.approx((85 - 10 - 20) * US)
    assert what_if.delta("near", "db").extra_s == pytest.approx((85 + 20) * US)


def test_a_node_that_fits_nowhere_else_says_why() -> None:
    table = cost_table("a: cpu 1, pim 1", devices={"cpu": "host", "pim": "pim"}, transfer_us={})
    schedule = scheduled(table, stages_in(["a"], {"a": "cpu"}))
    found = account(table, schedule)
    assert WhatIf(table, schedule, found).delta("a", "pim").extra_s == 0
    heavy = (replace(table.nodes[0], weight_bytes=2),)
    wrong = (replace(table.nodes[0], uses={"error": {"pim": 0.5}}),)
    small = Machine(
        (Memory("host"), Memory("pim", capacity_bytes=1)),
        table.machine.devices,
        table.machine.links,
    )
    full = replace(table, machine=small, nodes=heavy)
    assert WhatIf(full, schedule, found).delta("a", "pim").refusal == (
        "pim has no room for its weights"
    )
    strict = replace(table, nodes=wrong, budgets=(Budget("error", 0.1),))
    assert WhatIf(strict, schedule, found).delta("a", "pim").refusal == (
        "it would take more error than is allowed"
    )
    bound = replace(table, outputs=(Endpoint("a", "host"),))
    assert WhatIf(bound, schedule, found).delta("a", "pim").refusal == (
        "no link leads to its memory and back"
    )
    frugal = replace(table, budgets=(Budget(ENERGY, 0.1),))
    assert WhatIf(frugal, schedule, found).delta("a", "pim").refusal == (
        "it would take more energy than is allowed"
    )


def test_nothing_is_added_where_a_node_runs_already() -> None:
    sample = two_ends()
    what_if = WhatIf(sample.table, sample.planned.schedule, sample.planned.account)
    for node, device in sample.planned.schedule.device_of.items():
        assert what_if.delta(node, device) == Delta(0.0)


def test_no_single_move_improves_an_optimal_plan() -> None:
    sample = mixed()
    what_if = WhatIf(sample.table, sample.planned.schedule, sample.planned.account)
    for node in sample.table.nodes:
        assert all(what_if.delta(node.name, device).extra_s >= 0 for device in node.run_s)


def test_a_tie_is_exactly_nothing() -> None:
    """On cpu.serial `add2` runs 2 µs faster, but one more stage starts, for 2 µs."""
    sample = mixed()
    what_if = WhatIf(sample.table, sample.planned.schedule, sample.planned.account)
    assert what_if.delta("add2", "cpu.serial").extra_s == 0

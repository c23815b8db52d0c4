"""The partitioner is exact: on drawn tables, and against brute force over everything."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import HOST, Memory
from stagecut.compiler.ir.objective import ENERGY, LATENCY, Objective
from stagecut.compiler.ir.solution import ALL_SCHEDULES, Certificate, Solution
from stagecut.passes.partition import partition
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.orders.joint import Joint
from stagecut.passes.partition.partition import Partition
from tests.support.repository import ROOT
from tests.support.synthetic_tables import tangle, transformer
from tests.support.tables import (
    US,
    cheapest_in_order,
    cheapest_of_all,
    cost_table,
    cost_tables,
    placed,
    seeded_table,
)

CASES = {
    "each node goes where it is fastest when transfers are free": (
        cost_table("a: cpu 3, pim 1\n b(a): cpu 1, pim 3", transfer_us=0),
        "pim: a; cpu: b",
        2,
    ),
    "a detour that costs more than it saves is not made": (
        cost_table("a: cpu 3\n b(a): cpu 4, pim 1\n c(b): cpu 3"),
        "cpu: a, b, c",
        10,
    ),
    "a transfer is paid once for two consumers": (
        cost_table("a: cpu 1\n b(a): cpu 4, pim 2\n c(a): cpu 4, pim 2", transfer_us=3),
        "cpu: a; pim: b, c",
        8,
    ),
    "a residual across a stage pays both ways": (
        cost_table("a: cpu 1\n b(a): cpu 9, pim 1\n c(a, b): cpu 1"),
        "cpu: a, c; pim: b",
        7,
    ),
    "a bound input is transferred from where it starts": (
        cost_table("a(x): cpu 5, pim 4", inputs="x@host"),
        "cpu: a",
        5,
    ),
    "a free input is wherever it is wanted": (cost_table("a(x): cpu 5, pim 4"), "pim: a", 4),
    "a bound output is transferred to where it must end": (
        cost_table("a: cpu 5, pim 4", outputs="a@host"),
        "cpu: a",
        5,
    ),
    "a missing link keeps nodes together": (
        cost_table("a: cpu 1, pim 5\n b(a): cpu 9, pim 1", transfer_us={"pim>host": 1}),
        "pim: a, b",
        6,
    ),
    "a pair without a link is routed over others": (
        cost_table(
            "a: cpu 1\n b(a): npu 1",
            devices={"cpu": "host", "pim": "pim", "npu": "npu"},
            transfer_us={"host>pim": 2, "pim>npu": 3},
        ),
        "cpu: a; npu: b",
        7,
    ),
    "starting stages can cost more than they save": (
        cost_table("a: cpu 2, gang 1\n b(a): cpu 2\n c(b): cpu 2, gang 1", stage_us={"gang": 2}),
        "cpu: a, b, c",
        6,
    ),
    "another order can save a start": (
        cost_table(
            "a: cpu 1\n b: gang 1\n c(a): cpu 1\n d(b): gang 1",
            stage_us={"cpu": 1, "gang": 1},
        ),
        "cpu: a, c; gang: b, d",
        6,
    ),
    "a tie goes to the earlier device": (
        cost_table("a: gang 1, cpu 1, pim 1", transfer_us=0),
        "cpu: a",
        1,
    ),
}


@pytest.mark.parametrize(("table", "assignment", "total_us"), CASES.values(), ids=CASES.keys())
def test_the_least_total_by_eye(table: CostTable, assignment: str, total_us: float) -> None:
    best = Partition()(table)
    assert best.assignment.devices == placed(assignment).devices
    assert best.total_s == pytest.approx(total_us * US)
    assert best.certificate.exact


OBJECTIVES = (LATENCY, ENERGY, Objective(per_s=1.0, per_j=0.5))


def _agrees_with_brute_force(table: CostTable, objective: Objective) -> Certificate | None:
    """The certificate, once it has been held against the truth; None where nothing is possible."""
    least = cheapest_of_all(table, objective)
    if least is None:
        with pytest.raises(UnplaceableError):
            Partition(objective)(table)
        return None
    best = Partition(objective)(table)
    _adds_up(table, best)
    certificate = best.certificate
    assert certificate.lower_bound <= least + 1e-9
    assert certificate.total >= least - 1e-9
    assert not certificate.exact or certificate.total == pytest.approx(least, abs=1e-9)
    if not objective.per_s or not any(device.stage_s for device in table.machine.devices):
        assert certificate.exact  # elimination alone proves it
        assert certificate.lower_bound == pytest.approx(least, abs=1e-9)
    return certificate


def _adds_up(table: CostTable, best: Solution) -> None:
    """What is claimed is what the schedule costs, by the evaluator's own account."""
    assert account(table, best.schedule) == best.account
    assert best.certificate.total == best.account.total(best.objective)
    assert best.schedule.device_of == best.assignment.devices
    assert [*best.assignment] == [node.name for node in table.nodes]


@given(cost_tables(), st.sampled_from(OBJECTIVES))
def test_no_schedule_is_cheaper(table: CostTable, objective: Objective) -> None:
    _agrees_with_brute_force(table, objective)


@pytest.mark.no_cover
@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_no_schedule_is_cheaper_on_many_tables(objective: Objective) -> None:
    for seed in range(250):
        _agrees_with_brute_force(seeded_table(seed), objective)


#: Random tables with stage starts: seeds, and how large they are. All possible orders of all
#: assignments are tried for each: what has eight nodes takes a hundred times as long.
STARTED = {"up to six nodes": (range(200), 1, 6), "seven or eight nodes": (range(20), 7, 8)}


@pytest.mark.no_cover
@pytest.mark.parametrize(("seeds", "least", "most"), STARTED.values(), ids=STARTED.keys())
def test_nearly_all_that_start_stages_are_exact(seeds: range, least: int, most: int) -> None:
    """Where starting stages has a price, over all orders, at least 95 of 100 are exact."""
    certificates = []
    for seed in seeds:
        table = seeded_table(seed, min_nodes=least, max_nodes=most, min_memories=2, starts=1.0)
        certificates.append(_agrees_with_brute_force(table, LATENCY))
    proofs = [certificate.exact for certificate in certificates if certificate is not None]
    assert len(proofs) >= 0.7 * len(seeds)  # the others have no schedule at all
    assert sum(proofs) >= 0.95 * len(proofs)


@pytest.mark.no_cover
def test_the_graphs_order_is_claimed_only_where_nothing_in_it_is_cheaper(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the search over all orders, what is left is a bound, and what the order allows."""
    nothing_found = Joint(None, complete=False)
    monkeypatch.setattr(partition, "cheapest_schedule", lambda *_: nothing_found)
    claimed = 0
    for seed in range(60):
        table = seeded_table(seed, min_nodes=4, starts=1.0)
        certificate = _agrees_with_brute_force(table, LATENCY)
        if certificate is None or certificate.scope == ALL_SCHEDULES:
            continue
        claimed += 1
        least = cheapest_in_order(table)
        assert least is not None
        assert certificate.total <= least + 1e-9
        assert not certificate.exact
        assert certificate.gap > 0
    assert claimed


@settings(max_examples=20)
@given(cost_tables())
def test_the_same_table_gives_the_same_solution(table: CostTable) -> None:
    try:
        assert Partition()(table) == Partition()(table)
    except UnplaceableError:
        assert cheapest_of_all(table) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_graph_too_wide_for_elimination_is_still_solved(seed: int) -> None:
    best = Partition()(tangle(200, seed=seed)).certificate
    assert best.exact
    assert best.proof == "too wide for elimination: HiGHS"


def _heavy(nodes: int, share: float) -> CostTable:
    """Residual blocks whose weights fill pim and gpu to more than they can hold."""
    table = transformer(nodes)
    bytes_each = [1000 + 37 * index % 1009 for index in range(nodes)]
    room = int(share * sum(bytes_each))
    memories = [
        Memory(memory.name, None if memory.name == HOST else room)
        for memory in table.machine.memories
    ]
    return replace(
        table,
        machine=replace(table.machine, memories=tuple(memories)),
        nodes=tuple(
            replace(node, weight_bytes=size)
            for node, size in zip(table.nodes, bytes_each, strict=True)
        ),
    )


def test_a_tight_capacity_is_kept_at_the_least_cost() -> None:
    table = _heavy(96, 0.1)
    best, second_opinion = Partition()(table), Milp()(table)
    assert best.certificate.exact
    assert best.total_s == pytest.approx(second_opinion.total_s)
    assert best.total_s > Partition()(transformer(96)).total_s


def test_too_little_time_leaves_a_gap_and_says_so() -> None:
    certificate = Partition(limit_s=1e-9)(_heavy(480, 0.1)).certificate
    assert not certificate.exact
    assert 0 < certificate.gap < 0.01
    assert certificate.lower_bound < Partition()(_heavy(480, 0.1)).total_s <= certificate.total


@pytest.mark.parametrize("stage_us", [0, 1])
def test_no_nodes_cost_nothing(stage_us: float) -> None:
    best = Partition()(cost_table("", stage_us={"cpu": stage_us}))
    assert (best.total_s, dict(best.assignment.devices), best.schedule.steps) == (0, {}, ())


def test_the_example_of_the_documentation() -> None:
    text = (ROOT / "docs" / "costs.md").read_text("utf-8")
    example = text.partition("```json\n")[2].partition("```")[0]
    best = Partition()(read_costs(example))
    assert best.assignment.devices == {"a": "pim.hbm", "b": "cpu", "c": "pim.hbm"}
    assert best.total_s == pytest.approx(18 * US)

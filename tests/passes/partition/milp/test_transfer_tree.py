"""Where memories form a tree, each link is a minimum cut."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Link
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.milp.model import partition_program
from stagecut.passes.partition.milp.transfer_tree import Crossing, Taker, crossings, demands
from tests.support.tables import cheapest_of_all, seeded_table

MEMORIES = ("host", "near", "far")

#: far can be reached by way of near alone.
LINE = {
    "host": {"near": "host", "far": "near"},
    "near": {"host": "near", "far": "near"},
    "far": {"near": "far", "host": "near"},
}


def test_both_directions_of_each_link() -> None:
    assert crossings(MEMORIES, (), LINE) == [
        Crossing("host", "near", frozenset({"near", "far"}), linked=True),
        Crossing("near", "host", frozenset({"host"}), linked=True),
        Crossing("near", "far", frozenset({"far"}), linked=True),
        Crossing("far", "near", frozenset({"host", "near"}), linked=True),
    ]


def test_a_link_may_lead_one_way_only() -> None:
    found = crossings(("host", "near"), ("near",), {"host": {"near": "host"}, "near": {}})
    assert [(each.source, each.linked) for each in found] == [("host", True), ("near", False)]


def test_a_ring_is_no_tree() -> None:
    straight = {a: {b: a for b in MEMORIES if b != a} for a in MEMORIES}
    assert crossings(MEMORIES, (), straight) == []


def test_what_cannot_be_reached_is_in_no_tree() -> None:
    assert crossings(("host", "near"), ("near",), {"host": {}}) == []


def test_a_row_names_the_side_with_fewer_memories() -> None:
    """Written by a node that is in host, near or far by x0, x1 or x2, read by one of x3 to x5."""
    written = {memory: {at: 1.0} for at, memory in enumerate(MEMORIES)}
    taker = {memory: (0.0, {at + 3: -1.0}) for at, memory in enumerate(MEMORIES)}
    to_near, to_host, _, _ = crossings(MEMORIES, (), LINE)
    assert [*demands(to_host, written, [taker])] == [(0.0, {0: 1.0, 3: -1.0})]
    assert [*demands(to_near, written, [taker])] == [(0.0, {0: -1.0, 3: 1.0})]


def test_inputs_and_ends() -> None:
    taker = {"near": (0.0, {4: -1.0})}
    end: Taker = {"far": (1.0, {})}
    to_near, to_host, to_far, _ = crossings(MEMORIES, (), LINE)
    assert [*demands(to_near, {"host": {}}, [taker, end])] == [(0.0, {4: -1.0}), (1.0, {})]
    assert [*demands(to_far, {"host": {}}, [taker, end])] == [(1.0, {})]
    assert [*demands(to_host, {"host": {}}, [taker, end])] == []


def test_stars_of_three_memories_and_more_against_brute_force() -> None:
    """The tables' own transfers go, and links stay between the first memory and the others."""
    tried = 0
    for seed in range(60):
        table = _star(seeded_table(seed, max_nodes=5, min_memories=3, starts=0.0))
        least = cheapest_of_all(table)
        outcome = partition_program(table, LATENCY).program.solve(10.0)
        if least is None:
            assert outcome.point is None
            continue
        tried += 1
        assert outcome.bound == pytest.approx(least, abs=1e-9)
        assert Milp()(table).certificate.total == pytest.approx(least, abs=1e-9)
    assert tried > 30


def _star(drawn: CostTable) -> CostTable:
    host, *others = [memory.name for memory in drawn.machine.memories]
    links = tuple(
        Link(*ends, latency_s=1e-6 * (at + 1), bytes_per_s=1e9)
        for at, other in enumerate(others)
        for ends in ((host, other), (other, host))
    )
    return replace(
        drawn,
        machine=replace(drawn.machine, links=links),
        values=tuple(replace(value, transfer_s={}, transfer_j={}) for value in drawn.values),
    )

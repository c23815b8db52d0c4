"""Why a node runs where it runs: by eye, and against brute force with the node pinned."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError, UsageError
from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.ir.objective import ENERGY, LATENCY, Objective
from stagecut.passes.partition.explain import Explain
from tests.support.synthetic_tables import tangle
from tests.support.tables import (
    US,
    cheapest_of_all,
    cost_table,
    cost_tables,
    seeded_table,
)
from tests.support.watched import Watched

TABLE = cost_table("a: cpu 3, gang 4, pim 2\n b(a): cpu 3\n c: cpu 1, gang 1\n d: cpu 5, pim 4")


def test_the_answer_in_words() -> None:
    alternatives = Explain()(TABLE)
    assert alternatives.why("a") == (
        "a runs on cpu; the best plan costs 11.0 µs\n"
        "  cpu: 3.00 µs for itself; chosen\n"
        "  gang: 4.00 µs for itself; "
        "the plan would cost 1.00 µs more; as good if it were 1.33 times as fast there\n"
        "  pim: 2.00 µs for itself; "
        "the plan would cost 1.00 µs more; as good if it were 2 times as fast there"
    )
    assert alternatives.why("c").endswith(
        "gang: 1.00 µs for itself; just as good\n  pim: cannot run it, or is kept from it"
    )


def test_free_may_still_be_too_expensive() -> None:
    table = cost_table("a: cpu 3, pim 1\n b(a): cpu 3", transfer_us=9)
    alternatives = Explain(("a",))(table)
    pim = alternatives.by_node["a"][1]
    assert (pim.device, pim.speedup) == ("pim", None)
    assert pim.extra == pytest.approx(7 * US)
    assert alternatives.why("a").endswith("no better if it were free there")


def test_where_no_plan_can_have_it() -> None:
    table = cost_table("a: cpu 3, pim 1\n b(a): cpu 3", transfer_us={})
    alternatives = Explain()(table)
    assert alternatives.by_node["a"][1].total == math.inf
    assert "for want of a link" in alternatives.why("a")


def test_a_node_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no node 'z'"):
        Explain(("z",))(TABLE)


OBJECTIVES = (LATENCY, ENERGY, Objective(per_s=1.0, per_j=0.5))


@settings(max_examples=50)
@given(cost_tables(max_nodes=5), st.sampled_from(OBJECTIVES))
def test_brute_force_agrees(table: CostTable, objective: Objective) -> None:
    _agrees(table, objective)


@pytest.mark.no_cover
def test_brute_force_agrees_on_many_tables() -> None:
    for seed in range(80):
        _agrees(seeded_table(seed, max_nodes=5), LATENCY)


def _agrees(table: CostTable, objective: Objective) -> None:
    try:
        alternatives = Explain(objective=objective)(table)
    except UnplaceableError:
        assert cheapest_of_all(table, objective) is None
        return
    best = alternatives.best.certificate.total
    for node in table.nodes:
        found = alternatives.by_node[node.name]
        assert {each.device for each in found} == set(node.run_s)
        for each in found:
            pinned = replace(node, run_s={each.device: node.run_s[each.device]})
            nodes = tuple(pinned if other is node else other for other in table.nodes)
            least = cheapest_of_all(replace(table, nodes=nodes), objective)
            assert each.total == pytest.approx(math.inf if least is None else least, abs=1e-12)
            assert each.extra == pytest.approx(each.total - best, abs=1e-12)


def test_the_speedup_is_where_the_answer_changes() -> None:
    pim = Explain()(TABLE).by_node["d"][1]
    assert (pim.device, pim.extra, pim.speedup) == ("pim", 0, 1)
    pim = Explain()(TABLE).by_node["a"][2]
    assert pim.speedup is not None
    for factor, device in ((0.99, "pim"), (1.01, "cpu")):
        node = TABLE.nodes[0]
        faster = replace(node, run_s={**node.run_s, "pim": factor * pim.own / pim.speedup})
        table = replace(TABLE, nodes=(faster, *TABLE.nodes[1:]))
        assert Explain()(table).best.assignment["a"] == device


def test_a_wide_graph_is_searched() -> None:
    table = tangle(60)
    (node,) = Explain(("n7",))(table).by_node.values()
    assert min(each.extra for each in node) == 0
    assert all(each.extra >= 0 for each in node)


def test_a_full_memory_is_searched() -> None:
    table = cost_table("a: cpu 9, pim 1\n b: cpu 9, pim 2")
    table = replace(
        table,
        machine=replace(table.machine, memories=(Memory("host"), Memory("pim", 100))),
        nodes=tuple(replace(node, weight_bytes=60) for node in table.nodes),
    )
    cpu, pim = Explain()(table).by_node["b"]
    assert cpu.extra == 0
    assert pim.extra == pytest.approx(1 * US)


def test_searches_one_by_one_are_told() -> None:
    """Where stages cost something to start, each node is a question of its own."""
    table = cost_table("a: cpu 3, pim 2\n b(a): cpu 3\n c(b): cpu 1, pim 1", stage_us={"pim": 1.0})
    watched = Watched()
    Explain(("a", "c"), progress=watched)(table)
    assert watched.begun == {"explaining nodes": 2}

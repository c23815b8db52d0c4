"""The expanded graph: what is counted, how it reads, and that every node has a device."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.candidates import PossibleTransfer
from stagecut.compiler.ir.errors import AllFailedError, UnplaceableError
from stagecut.compiler.ir.machine import HOST, Route
from tests.support.expanded import expanded
from tests.support.tables import cost_table

TABLE = cost_table(
    "a(x): cpu 1, pim 1\n b(a): cpu 1\n c(a): gang 1, pim 1", inputs="x@host", outputs="c@host"
)


def test_candidates_and_transfers() -> None:
    graph = expanded(TABLE)
    there, back = Route(HOST, "pim"), Route("pim", HOST)
    assert graph.candidate_count == 5
    assert graph.transfers == (
        PossibleTransfer("x", 1024, there),
        PossibleTransfer("a", 1024, there),
        PossibleTransfer("a", 1024, back),
        PossibleTransfer("c", 1024, back),
    )


def test_how_it_reads() -> None:
    graph = expanded(cost_table("a(x): cpu 1, pim 1"), {Route(HOST, "pim"): "modelled"})
    refused = replace(graph, refusals={"a": {"gang": "no such thing"}})
    assert str(refused).splitlines() == [
        "expanded graph test: 1 nodes, 2 candidates, 1 transfers",
        "  a (Op) on cpu, pim",
        "    not on gang: no such thing",
        "  link host>pim: modelled",
        "  %x: host > pim, 1024 B",
    ]


def test_a_candidate_can_be_taken_away_but_not_the_last() -> None:
    graph = expanded(cost_table("a: cpu 1, pim 1"))
    left = graph.without("a", "pim", "it crashed")
    assert (left.candidates["a"], left.refusals["a"]) == (("cpu",), {"pim": "it crashed"})
    with pytest.raises(AllFailedError, match="pim: it crashed; cpu: so did this one") as error:
        left.without("a", "cpu", "so did this one")
    assert "give some that it runs on" in error.value.fix


def test_a_node_that_no_device_can_run() -> None:
    graph = expanded(cost_table("a: cpu 1"))
    reasons = {"a": {"cpu": "too small", "pim": "too far"}}
    with pytest.raises(UnplaceableError, match="cpu: too small; pim: too far") as error:
        replace(graph, candidates={"a": ()}, refusals=reasons)
    assert error.value.where == "node a (Op)"
    assert "cpu.serial runs all" in error.value.fix
    with pytest.raises(UnplaceableError) as error:
        replace(graph, candidates={"a": ()}, refusals={"a": {"cpu.serial": "no kernel"}})
    assert "runs all" not in error.value.fix

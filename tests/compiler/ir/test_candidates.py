"""The expanded graph: what is counted, how it reads, and that every node has a device."""

import pytest

from stagecut.compiler.ir.candidates import ExpandedGraph, Transfer
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import HOST
from tests.support.expanded import expanded
from tests.support.tables import cost_table

TABLE = cost_table(
    "a(x): cpu 1, pim 1\n b(a): cpu 1\n c(a): gang 1, pim 1", inputs="x@host", outputs="c@host"
)


def test_candidates_and_transfers() -> None:
    graph = expanded(TABLE)
    assert graph.candidate_count == 5
    assert graph.transfers == (
        Transfer("x", 1024, HOST, "pim"),
        Transfer("a", 1024, HOST, "pim"),
        Transfer("a", 1024, "pim", HOST),
        Transfer("c", 1024, "pim", HOST),
    )


def test_how_it_reads() -> None:
    graph = expanded(cost_table("a(x): cpu 1, pim 1"), {("host", "pim"): "modelled"})
    refused = ExpandedGraph(
        graph.graph, graph.machine, graph.candidates, {"a": {"gang": "no such thing"}}, graph.links
    )
    assert str(refused).splitlines() == [
        "expanded graph test: 1 nodes, 2 candidates, 1 transfers",
        "  a (Op) on cpu, pim",
        "    not on gang: no such thing",
        "  link host>pim: modelled",
        "  %x: host > pim, 1024 B",
    ]


def test_a_node_that_no_device_can_run() -> None:
    graph = expanded(cost_table("a: cpu 1"))
    with pytest.raises(UnplaceableError, match="cpu: too small; pim: too far") as error:
        ExpandedGraph(
            graph.graph, graph.machine, {"a": ()}, {"a": {"cpu": "too small", "pim": "too far"}}, {}
        )
    assert error.value.where == "node a (Op)"

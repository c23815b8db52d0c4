"""Cost tables from networkx graphs, and back."""

from typing import Any

import networkx as nx
import numpy as np
import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CostTableError, StagecutError
from stagecut.passes.partition.partition import Partition
from tests.support.tables import seeded_table

DEVICES = {"cpu": "host", "npu": "npu"}
LINKS = {("host", "npu"): (1e-6, 1e9), ("npu", "host"): (1e-6, 1e9)}


def _graph() -> "nx.DiGraph[str]":
    """up -> gelu -> down, and up -> down."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_node("up", op="MatMul", run_s={"cpu": 9e-6, "npu": 1e-6}, weight_bytes=64)
    graph.add_node("gelu", run_s={"cpu": 2e-6})
    graph.add_node("down", op="MatMul", run_s={"cpu": 9e-6, "npu": 1e-6})
    graph.add_edge("up", "gelu", size_bytes=1000)
    graph.add_edge("up", "down", size_bytes=500)
    graph.add_edge("gelu", "down", size_bytes=1000)
    return graph


def test_a_graph_is_solved() -> None:
    """1 + a transfer of 2 + 2 + a transfer of 2 + 1, in microseconds."""
    table = CostTable.from_networkx(_graph(), DEVICES, LINKS)
    assert table.value("up").size_bytes == 1000
    assert table.node_named["down"].inputs == ("up", "gelu")
    assert Partition()(table).total_s == pytest.approx(8e-6)


def test_it_comes_back() -> None:
    table = CostTable.from_networkx(_graph(), DEVICES, LINKS)
    again = CostTable.from_networkx(table.to_networkx(), DEVICES, LINKS)
    assert again == table


def test_budgets_and_other_sizes_of_weights_come_back() -> None:
    """With the budget, only one of the products may run on the accelerator."""
    graph = _graph()
    for name in ("up", "down"):
        graph.nodes[name]["uses"] = {"area": {"npu": 2.0}}
    graph.nodes["up"]["resident_bytes"] = {"npu": np.int64(32)}
    table = CostTable.from_networkx(graph, DEVICES, LINKS, limits={"area": 3.0})
    assert table.node_named["up"].bytes_on("npu") == 32
    assert table.node_named["up"].bytes_on("cpu") == 64
    assert Partition()(table).total_s == pytest.approx((1 + 2 + 2 + 9) * 1e-6)
    again = CostTable.from_networkx(table.to_networkx(), DEVICES, LINKS, limits={"area": 3.0})
    assert again == table
    without = CostTable.from_networkx(table.to_networkx(), DEVICES, LINKS)
    assert not any(node.uses for node in without.nodes)


@pytest.mark.parametrize("seed", range(5))
def test_edges_are_those_of_the_table(seed: int) -> None:
    table = seeded_table(seed)
    graph = table.to_networkx()
    assert [*graph] == [node.name for node in table.nodes]
    expected = {
        (source, target, value)
        for value, source in table.producer.items()
        for target in table.users.get(value, ())
    }
    assert set(graph.edges(keys=True)) == expected
    assert nx.is_directed_acyclic_graph(graph)


def test_what_makes_no_table_is_said() -> None:
    graph = _graph()
    graph.add_node("odd")
    with pytest.raises(CostTableError, match="has no run_s") as error:
        CostTable.from_networkx(graph, DEVICES, LINKS)
    assert error.value.where == "node odd"
    with pytest.raises(CostTableError, match="has no directions"):
        CostTable.from_networkx(nx.Graph(), DEVICES, LINKS)  # type: ignore[arg-type]
    graph = _graph()
    graph.add_edge("down", "up")
    with pytest.raises(StagecutError):
        CostTable.from_networkx(graph, DEVICES, LINKS)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"run_s": {"cpu": "x"}}, "has a run_s on cpu that is no number: 'x'"),
        ({"run_s": {"cpu": None}}, "has a run_s on cpu that is no number: None"),
        ({"run_s": {"cpu": 10**400}}, "has a run_s on cpu that is no number: 1000"),
        ({"run_j": {"cpu": "x"}}, "has a run_j on cpu that is no number: 'x'"),
        ({"run_j": 3}, "has a run_j that is no mapping: 3"),
        ({"uses": 3}, "has uses that are no mapping: 3"),
        ({"uses": {"area": 3}}, "has a use of area that is no mapping: 3"),
        ({"uses": {"area": {"cpu": "x"}}}, "has a use of area on cpu that is no number: 'x'"),
        ({"resident_bytes": 3}, "has a resident_bytes that is no mapping: 3"),
        ({"resident_bytes": {"cpu": 0.5}}, "has a resident_bytes on cpu that is no whole"),
        ({"weight_bytes": "big"}, "has a weight_bytes that is no whole number: 'big'"),
    ],
)
def test_a_node_whose_numbers_are_none_is_named(facts: dict[str, Any], problem: str) -> None:
    graph = _graph()
    graph.add_node("gelu", **facts)
    with pytest.raises(CostTableError) as error:
        CostTable.from_networkx(graph, DEVICES, LINKS, limits={"area": 1.0})
    assert error.value.problem.startswith(problem)
    assert error.value.where == "node gelu"
    assert error.value.fix


@pytest.mark.parametrize("size_bytes", ["big", 1.9, float("nan"), float("inf"), None])
def test_an_edge_whose_size_is_none_is_named(size_bytes: object) -> None:
    graph = _graph()
    graph.add_edge("up", "down", size_bytes=size_bytes)
    with pytest.raises(CostTableError, match="has a size_bytes that is no whole number") as error:
        CostTable.from_networkx(graph, DEVICES, LINKS)
    assert error.value.where == "edge up -> down"


@pytest.mark.parametrize(
    ("links", "problem"),
    [
        ({("host", "npu"): 1e-6}, "a link is two memories and two numbers, not 1e-06"),
        ({("host", "npu"): (1e-6,)}, "a link is two memories and two numbers"),
        ({"hn": (1e-6, 1e9)}, "a link is two memories and two numbers"),
        ({("host", "npu"): (1e-6, "fast")}, "has a bandwidth that is no number: 'fast'"),
    ],
)
def test_a_link_that_is_none_is_named(links: Any, problem: str) -> None:
    with pytest.raises(CostTableError) as error:
        CostTable.from_networkx(_graph(), DEVICES, links)
    assert error.value.problem.startswith(problem)
    assert error.value.where == f"links[{next(iter(links))!r}]"


def test_numbers_of_numpy_are_numbers() -> None:
    graph = _graph()
    graph.add_node("up", run_s={"cpu": np.float32(0.5)}, weight_bytes=np.int64(64))
    graph.add_edge("up", "gelu", size_bytes=np.float64(1000))
    table = CostTable.from_networkx(graph, DEVICES, LINKS)
    assert table.node_named["up"].run_s == {"cpu": 0.5}
    assert table.node_named["up"].weight_bytes == 64
    assert table.value("up").size_bytes == 1000

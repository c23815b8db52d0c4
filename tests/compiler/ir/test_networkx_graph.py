"""Cost tables from networkx graphs, and back."""

import networkx as nx
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

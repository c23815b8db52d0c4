"""What the page's script gets to draw the graph from."""

import json
from typing import Any

from stagecut.compiler.report.page.graph import graph_json
from tests.support.planned import Sample, gate_report_of
from tests.support.planned_variants import hostile, large, long_names, mixed, relayed


def graph_of(sample: Sample) -> Any:
    return json.loads(graph_json(gate_report_of(sample)))


def test_stages() -> None:
    assert graph_of(mixed())["stages"][2] == {
        "style": "d2 modelled",
        "title": "stage 2 on pim.hbm",
        "nodes": "3 nodes",
        "time": "332 µs~",
    }


def test_the_number_of_a_stage_is_never_cut() -> None:
    stages = graph_of(long_names())["stages"]
    assert [stage["title"].split(" on ")[0] for stage in stages] == [
        f"stage {at}" for at in range(len(stages))
    ]


def test_a_fold_says_what_all_copies_take() -> None:
    graph = graph_of(large(50))
    [fold] = graph["folds"]
    assert (fold["first"], fold["period"], fold["copies"]) == (1, 12, 4)
    one = graph["nodes"][6][2]
    assert (one, fold["details"][5]) == ("MatMul, 150 µs~", "MatMul, 600 µs~ ×4")
    [title] = {stage["title"] for stage in fold["stages"].values() if "pim" in stage["title"]}
    assert title == "stage 2 on pim.hbm ×4"
    assert (graph["stages"][2]["time"], fold["stages"]["2"]["time"]) == ("332 µs~", "1.33 ms~")


def test_nodes_stand_in_the_order_of_the_table() -> None:
    sample = mixed()
    nodes = graph_of(sample)["nodes"]
    assert [name for _, name, _ in nodes] == [node.name for node in sample.planned.nodes]
    assert nodes[6] == [2, "up", "MatMul, 150 µs~"]


def test_edges_say_what_is_transferred() -> None:
    edges = graph_of(mixed())["edges"]
    assert [5, 6, "norm1", "64.0 KiB, 30.1 µs~"] in edges
    assert [5, 9, "norm1", ""] in edges


def test_an_edge_by_way_of_another_memory_has_all_of_its_time() -> None:
    assert [0, 2, "first", "64.0 KiB, 11.0 µs via a"] in graph_of(relayed())["edges"]


def test_inputs_and_outputs_count_down_from_minus_one() -> None:
    graph = graph_of(mixed())
    assert (graph["inputs"], graph["outputs"]) == (["tokens", "mask"], ["head"])
    assert [-1, 0, "tokens", ""] in graph["edges"]
    assert [-2, 2, "mask", ""] in graph["edges"]
    assert [11, -1, "head", ""] in graph["edges"]


def test_names_cannot_end_the_script_element() -> None:
    text = graph_json(gate_report_of(hostile()))
    assert "<" not in text
    assert json.loads(text)["nodes"][10][1] == "</style></svg>-->]]>"


def test_it_stays_small() -> None:
    sample = large(2000)
    assert len(graph_json(gate_report_of(sample))) < 300_000

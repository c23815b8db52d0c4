"""Workloads of msr-fiddle/dnn-partitioning, made up in their format."""

import json
from pathlib import Path
from typing import Any

import pytest

from stagecut.compiler.formats.costs_json import read_costs, write_costs
from stagecut.compiler.formats.dnn_partitioning_json import read_workload
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Route
from stagecut.passes.partition.partition import Partition


def _node(id_: int, cpu: float, accelerator: float, **more: Any) -> dict[str, Any]:
    own = {"id": id_, "cpuLatency": cpu, "fpgaLatency": accelerator, "supportedOnFpga": 1}
    return {**own, "size": 10.0, "isBackwardNode": 0, **more}


def _edge(source: int, target: int, cost: float) -> dict[str, Any]:
    return {"sourceId": source, "destId": target, "cost": cost}


#: 1 -> 2 -> 3; the accelerator is faster for 1 and 2, and cannot run 3.
CHAIN: dict[str, Any] = {
    "maxSizePerFPGA": 20.0,
    "maxFPGAs": 2,
    "maxCPUs": 1,
    "nodes": [_node(1, 9, 1), _node(2, 9, 1), _node(3, 2, 0.5, supportedOnFpga=0)],
    "edges": [_edge(1, 2, 4), _edge(2, 3, 3)],
}


def _written(folder: Path, **changes: Any) -> Path:
    path = folder / "chain.json"
    path.write_text(json.dumps({**CHAIN, **changes}))
    return path


def test_the_optimum_is_as_by_hand(tmp_path: Path) -> None:
    """1 and 2 on one accelerator, 3 on the CPU, and one transfer: 1 + 1 + 3 + 2."""
    table = read_workload(_written(tmp_path))
    assert [*table.machine.device_named] == ["cpu", "acc0", "acc1"]
    found = Partition()(table)
    assert found.total_s == pytest.approx(7e-3)
    assert found.assignment.devices == {"n1": "acc0", "n2": "acc0", "n3": "cpu"}
    assert read_costs(write_costs(table)) == table


def test_what_does_not_fit_into_one_goes_by_way_of_the_host(tmp_path: Path) -> None:
    """1 and 2 on an accelerator each would cost 1 + 4 + 4 + 1 + 3 + 2; with one of them on the CPU,
    1 + 4 + 9 + 2 = 16 or 9 + 4 + 1 + 3 + 2 = 19."""
    table = read_workload(_written(tmp_path, maxSizePerFPGA=10.0))
    found = Partition()(table)
    assert found.total_s == pytest.approx(15e-3)
    assert len({found.assignment["n1"], found.assignment["n2"]} - {"cpu"}) == 2


def test_a_unit_scales_everything(tmp_path: Path) -> None:
    table = read_workload(_written(tmp_path), unit_s=1.0)
    assert table.node_named["n1"].run_s["cpu"] == 9
    assert table.value_named["v1"].transfer_s[Route("acc0", "host")] == 4


def test_a_colour_class_is_one_node(tmp_path: Path) -> None:
    nodes = [_node(1, 9, 1, colorClass=7), _node(2, 9, 1, colorClass=7), CHAIN["nodes"][2]]
    table = read_workload(_written(tmp_path, nodes=nodes))
    merged = table.node_named["n1+n2"]
    assert merged.run_s == pytest.approx({"cpu": 18e-3, "acc0": 2e-3, "acc1": 2e-3})
    assert (merged.inputs, merged.outputs, merged.weight_bytes) == ((), ("v1", "v2"), 20)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a class around others": (
        {"nodes": [_node(1, 9, 1, colorClass=7), _node(2, 9, 1), _node(3, 1, 1, colorClass=7)]},
        "cannot run as one",
    ),
    "an edge to nowhere": ({"edges": [_edge(1, 9, 4)]}, "leads to no node"),
    "an id twice": ({"nodes": [_node(1, 9, 1), _node(1, 9, 1)]}, "is there twice"),
    "no nodes": ({"nodes": []}, "is no workload of dnn-partitioning"),
    "a negative cost": ({"edges": [_edge(1, 2, -4)]}, "is no workload of dnn-partitioning"),
    "a circle": ({"edges": [_edge(1, 2, 4), _edge(2, 1, 4)]}, "cannot run as one"),
}


@pytest.mark.parametrize(("changes", "problem"), BAD.values(), ids=BAD.keys())
def test_what_makes_no_sense_is_said(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(CostTableError, match=problem) as error:
        read_workload(_written(tmp_path, **changes))
    assert error.value.fix


def test_a_file_that_is_not_there_or_none(tmp_path: Path) -> None:
    with pytest.raises(CostTableError, match="cannot be read"):
        read_workload(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("nodes")
    with pytest.raises(CostTableError, match="is no workload"):
        read_workload(tmp_path / "text.json")

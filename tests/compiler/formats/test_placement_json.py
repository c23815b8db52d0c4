"""Published workloads for placement as cost tables: their optimum is reproduced."""

import json
from pathlib import Path
from typing import Any

import pytest

from stagecut.compiler.formats.placement_json import read_placement
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CostTableError, UnplaceableError
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.partition.throughput.verify import verify
from tests.support.placement import BERT_24, least_load, random_workload

#: How BERT-24 was cut by hand, as published beside it: the nodes of each accelerator.
EXPERT = ((*range(1, 9),), *((*range(at, at + 4),) for at in range(9, 25, 4)), (*range(25, 33),))


def _read(folder: Path, workload: object) -> CostTable:
    path = folder / "workload.json"
    path.write_text(json.dumps(workload))
    return read_placement(path)


def _node(at: int, **changes: Any) -> dict[str, Any]:
    base = {"id": at, "supportedOnFpga": 1, "cpuLatency": 20.0, "fpgaLatency": 2.0, "size": 3.0}
    return {**base, **changes}


def _workload(*nodes: dict[str, Any], edges: tuple[tuple[int, int, float], ...] = ()) -> Any:
    return {
        "maxSizePerFPGA": 100.0,
        "maxFPGAs": 2,
        "maxCPUs": 1,
        "nodes": [*nodes],
        "edges": [{"sourceId": a, "destId": b, "cost": cost} for a, b, cost in edges],
    }


def test_a_workload(tmp_path: Path) -> None:
    workload = _workload(_node(7, name="first"), _node(9), edges=((7, 9, 0.5),))
    table = _read(tmp_path, workload)
    first, second = table.nodes
    assert [device.name for device in table.machine.devices] == [
        "accelerator.0",
        "accelerator.1",
        "cpu.0",
    ]
    assert (first.name, first.outputs, second.name, second.inputs) == (
        "first",
        ("first",),
        "node#9",
        ("first",),
    )
    assert first.run_s == pytest.approx(
        {"accelerator.0": 2e-3, "accelerator.1": 2e-3, "cpu.0": 20e-3}
    )
    assert {round(cost * 1e3, 9) for cost in table.values[0].transfer_s.values()} == {0.5}
    assert table.machine.memory_named["accelerator.1"].capacity_bytes == 100
    assert {device.basis for device in table.machine.devices} == {"modelled"}


@pytest.mark.parametrize("count", ["maxFPGAs", "maxCPUs"])
def test_more_devices_than_any_machine_has_are_refused(tmp_path: Path, count: str) -> None:
    with pytest.raises(CostTableError, match=r"1024"):
        _read(tmp_path, {**_workload(_node(1)), count: 10**9})


def test_a_colour_stays_together_with_what_lies_between(tmp_path: Path) -> None:
    """1 and 3 are of one colour, 2 reads 1 and is read by 3; 2 runs on CPUs alone."""
    nodes = (_node(1, colorClass=5), _node(2, supportedOnFpga=0), _node(3, colorClass=5), _node(4))
    table = _read(tmp_path, _workload(*nodes, edges=((1, 2, 1.0), (2, 3, 1.0), (3, 4, 2.0))))
    together, last = table.nodes
    assert (together.name, together.outputs, together.weight_bytes) == (
        "node#1 and 2 more",
        ("node#3",),
        9,
    )
    assert together.run_s == pytest.approx({"cpu.0": 60e-3})
    assert last.inputs == ("node#3",)


@pytest.mark.no_cover
def test_the_optimum_by_the_paper_s_definition(tmp_path: Path) -> None:
    solved = 0
    for seed in range(120):
        workload = random_workload(seed)
        table = _read(tmp_path, workload)
        least_ms = least_load(workload)
        try:
            solution = Throughput()(table)
        except UnplaceableError:
            assert least_ms == float("inf")
            continue
        solved += 1
        assert solution.account.period_s * 1e3 == pytest.approx(least_ms)
        verify(table, solution.certificate)
    assert solved > 80


def test_bert_24(tmp_path: Path) -> None:
    """Six accelerators: the optimum is that of the paper's definition, and less than by hand."""
    table = _read(tmp_path, BERT_24)
    solution = Throughput()(table)
    assert solution.account.period_s * 1e3 == pytest.approx(least_load(BERT_24))
    by_hand_ms = max(
        sum(node["fpgaLatency"] for node in BERT_24["nodes"] if node["id"] in part)
        + sum(
            {
                edge["sourceId"]: edge["cost"]
                for edge in BERT_24["edges"]
                if (edge["sourceId"] in part) != (edge["destId"] in part)
            }.values()
        )
        for part in EXPERT
    )
    assert solution.account.period_s * 1e3 < by_hand_ms
    verify(table, solution.certificate)


REFUSED: dict[str, tuple[object, str]] = {
    "another file": ({"nodes": []}, "is no workload for placement: maxSizePerFPGA"),
    "a negative time": (_workload(_node(1, fpgaLatency=-1.0)), r"nodes\.0\.fpgaLatency"),
    "a backward pass": (_workload(_node(1, isBackwardNode=1)), "is a node of a backward pass"),
    "two nodes with one id": (_workload(_node(1), _node(1)), "another node has the id 1"),
    "an edge from nowhere": (_workload(_node(1), edges=((2, 1, 0.0),)), "there is no node 2"),
    "two costs of one output": (
        _workload(_node(1), _node(2), _node(3), edges=((1, 2, 0.5), (1, 3, 0.7))),
        "node 1 has another edge with another cost",
    ),
    "a cycle": (
        _workload(_node(1), _node(2), edges=((1, 2, 0.0), (2, 1, 0.0))),
        "nodes need each other: 1, 2",
    ),
}


@pytest.mark.parametrize(("workload", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(workload: object, problem: str, tmp_path: Path) -> None:
    with pytest.raises(CostTableError, match=problem):
        _read(tmp_path, workload)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CostTableError, match="cannot be read"):
        read_placement(tmp_path / "none.json")

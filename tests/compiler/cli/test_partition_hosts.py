"""`stagecut partition --objective throughput` of a table with several hosts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stagecut.compiler.formats.costs_json import write_costs
from tests.support.command_line import Said
from tests.support.host_tables import chain, machine

STREAMS = ("--objective", "throughput")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "costs.json"
    path.write_text(write_costs(chain(machine(2), 10e-3, 10e-3)))
    return path


def test_replicas_on_both_hosts(run: Callable[..., Said], table: Path, tmp_path: Path) -> None:
    said = run("partition", table, *STREAMS)
    assert said.code == 0
    assert "2 x cpu + 2 x b.cpu: 2 nodes from a, 100% busy" in said.out
    assert "200 inputs/s, one every 5.00 ms; optimal: no stream of contiguous stages" in said.out
    found = run("partition", table, *STREAMS, "--json", "-o", tmp_path / "stream.json")
    document = json.loads(found.out)
    assert document["schema"] == "stagecut.hosts_stream/1"
    [stage] = document["stages"]
    assert stage["places"] == [
        {"device": "cpu", "replicas": 2}, {"device": "b.cpu", "replicas": 2}
    ]  # fmt: skip
    assert document["certificate"]["exact"]
    assert json.loads((tmp_path / "stream.json").read_text())["period_s"] == document["period_s"]


def test_limits(run: Callable[..., Said], table: Path) -> None:
    said = run("partition", table, *STREAMS, "--max-latency", "20.05ms", "--json")
    [stage] = json.loads(said.out)["stages"]
    assert [place["device"] for place in stage["places"]] == ["cpu"]
    said = run("partition", table, *STREAMS, "--max-memory", "10B", "--json")
    assert len(json.loads(said.out)["stages"]) == 2
    said = run("partition", table, *STREAMS, "--max-latency", "1ms")
    assert said.code == 1
    assert "no stream is within 1.00 ms of latency" in said.err


def test_what_is_for_one_host_is_refused(run: Callable[..., Said], table: Path) -> None:
    said = run("partition", table, *STREAMS, "--front")
    assert said.code == 2
    assert "--front is for streams on one host" in said.err


def test_latency_is_solved_as_ever(run: Callable[..., Said], table: Path) -> None:
    said = run("partition", table, "--json")
    assert json.loads(said.out)["certificate"]["exact"]

"""`stagecut partition --objective throughput`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.ir.machine import Device
from tests.support.command_line import Said, stagecut
from tests.support.streams import stream_table

Run: TypeAlias = Callable[..., Said]

TABLE = stream_table(
    "a: cpu 4, batch 10\n b(a): cpu 8, npu 3",
    Device("cpu", "host", resource="cores"),
    Device("batch", "host", resource="cores", batch=4),
    Device("npu", "host"),
    cores=2,
)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("costs.json").write_text(write_costs(TABLE))
    return lambda *options: stagecut(
        capsys, monkeypatch, "partition", "costs.json", "--objective", "throughput", *options
    )


def test_what_it_says(run: Run) -> None:
    said = run()
    assert said.code == 0
    *lines, last = said.out.splitlines()
    assert lines == [
        "3.333e+05 inputs/s, one every 3.00 µs; optimal: no schedule is faster",
        "  latency at this rate  22.0 µs (measured)",
        "  memory  5.00 KiB, 0 B of them weights",
        "  cores  1 units",
        "  npu  1 units",
        "  1 x batch, batch 4: 1 node from a, 10.0 µs a call, 83% busy",
        "  1 x npu: 1 node from b, 3.00 µs a call, 100% busy",
    ]
    assert last.startswith("solved in ")


def test_its_own_answer_is_accepted(run: Run) -> None:
    assert run("--output", "stream.json").code == 0
    said = run("--check", "stream.json")
    assert said.out.strip() == (
        "certificate accepted: nothing within 'schedules with contiguous stages' has a period "
        "below 3.00 µs; the stream has it"
    )
    assert json.loads(run("--check", "stream.json", "--json").out)["accepted"] is True


def test_a_slower_stream_with_the_same_proof(run: Run) -> None:
    document = json.loads(run("--json").out)
    document["stages"] = [{"device": "cpu", "replicas": 2, "nodes": ["a", "b"]}]
    Path("slower.json").write_text(json.dumps(document))
    assert "the stream's is 100.00% longer" in run("--check", "slower.json").out


def test_a_proof_that_proves_nothing(run: Run) -> None:
    document = json.loads(run("--json").out)
    document["certificate"]["period"] += "00"
    Path("tampered.json").write_text(json.dumps(document))
    said = run("--check", "tampered.json")
    assert said.code == 1
    assert "fix: solve the table again: this proves nothing" in said.err


@pytest.mark.parametrize(
    "options", [("--method", "greedy"), ("--explain", "a"), ("--max-energy", "1J")]
)
def test_other_questions(run: Run, options: tuple[str, ...]) -> None:
    said = run(*options)
    assert said.code == 2
    assert "is not for streams" in said.err


def test_rules_hold(run: Run) -> None:
    [only] = json.loads(run("--forbid", "*=npu", "--forbid", "*=batch", "--json").out)["stages"]
    assert (only["device"], only["replicas"]) == ("cpu", 2)

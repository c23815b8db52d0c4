"""`stagecut partition --objective throughput`."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

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


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    """As other tools may write it: without figures beside the stream and its proof."""
    stages = [
        {key: stage[key] for key in ("device", "replicas", "nodes")} for stage in document["stages"]
    ]
    proof = {key: document["certificate"][key] for key in PROOF if key in document["certificate"]}
    return {"stages": stages, "certificate": proof}


PROOF = ("period", "tick_s", "scope", "lower_bound_s", "potentials", "limits", "stretches")


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
    document = _bare(document)
    Path("slower.json").write_text(json.dumps(document))
    assert "the stream's is 6.00 µs" in run("--check", "slower.json").out


BESIDE = {
    "latency_s": 1e-6,
    "memory_bytes": 7,
    "used": {"cores": 2, "npu": 1},
    "basis": "modelled",
    "inputs_per_s": None,
}


@pytest.mark.parametrize("figure", BESIDE)
def test_a_figure_beside_a_proof_that_holds(figure: str, run: Run) -> None:
    document = json.loads(run("--json").out)
    document[figure] = BESIDE[figure]
    Path("beside.json").write_text(json.dumps(document))
    said = run("--check", "beside.json")
    assert said.code == 1
    assert f"its proof holds, but beside it {figure}" in said.err
    Path("beside.json").write_text(json.dumps(_bare(document)))
    assert run("--check", "beside.json").code == 0


def test_a_claim_and_a_stage_that_are_not_the_ones_proved(run: Run) -> None:
    document = json.loads(run("--json").out)
    document["certificate"]["claim"] = "optimal: whatever you like"
    Path("claim.json").write_text(json.dumps(document))
    assert "beside it certificate.claim is 'optimal: whatever" in run("--check", "claim.json").err
    document = json.loads(run("--json").out)
    document["stages"][1]["busy"] = 0.5
    Path("claim.json").write_text(json.dumps(document))
    assert "beside it stages[1].busy is 0.5, and comes to 1" in run("--check", "claim.json").err


def test_a_proof_that_proves_nothing(run: Run) -> None:
    document = json.loads(run("--json").out)
    document["certificate"]["period"] += "00"
    Path("tampered.json").write_text(json.dumps(document))
    said = run("--check", "tampered.json")
    assert said.code == 1
    assert "fix: solve the table again: this proves nothing" in said.err


@pytest.mark.parametrize("options", [("--method", "greedy"), ("--explain", "a")])
def test_other_questions(run: Run, options: tuple[str, ...]) -> None:
    said = run(*options)
    assert said.code == 2
    assert "is not for streams" in said.err


def test_energy_is_limited(run: Run) -> None:
    frugal = replace(
        TABLE,
        nodes=tuple(
            replace(node, run_j={name: 4.0 if name == "npu" else 2.0 for name in node.run_s})
            for node in TABLE.nodes
        ),
        values=tuple(
            replace(each, transfer_j=dict.fromkeys(each.transfer_s, 0.0)) for each in TABLE.values
        ),
    )
    Path("costs.json").write_text(write_costs(frugal))
    assert "  energy  4.50 J an input" in run().out  # 2 / 4 of a batch, and 4
    said = run("--max-energy", "3J", "--output", "stream.json")
    assert "within 3.00 J of energy an input is faster" in said.out
    assert "  energy  2.50 J an input" in said.out
    assert "and 3.00 J of energy an input has a period" in run("--check", "stream.json").out
    assert "the least that can be had is 2.50 J" in run("--max-energy", "1J").err


def test_energy_that_is_not_known_has_no_limit(run: Run) -> None:
    said = run("--max-energy", "3J")
    assert (said.code, "this energy is needed and not known" in said.err) == (1, True)


def test_rules_hold(run: Run) -> None:
    [only] = json.loads(run("--forbid", "*=npu", "--forbid", "*=batch", "--json").out)["stages"]
    assert (only["device"], only["replicas"]) == ("cpu", 2)


TRADES = stream_table(
    "a: one 8, two 6, four 16",
    Device("one", "host", resource="cores"),
    Device("two", "host", resource="cores", cores=2),
    Device("four", "host", resource="cores", batch=4),
    cores=2,
)


@pytest.fixture
def trades(run: Run) -> Run:
    Path("costs.json").write_text(write_costs(TRADES))
    return run


def test_within_a_latency(trades: Run) -> None:
    """A call for four inputs and the wait for three of them take 22 us; a call for one takes 8."""
    said = trades("--max-latency", "12us", "--max-memory", "1MiB", "--output", "stream.json")
    assert said.out.splitlines()[0] == (
        "2.5e+05 inputs/s, one every 4.00 µs; optimal: no pipeline of contiguous stages within "
        "12.0 µs of latency is faster; other schedules by 50.00% at most"
    )
    checked = trades("--check", "stream.json")
    assert checked.out.strip() == (
        "certificate accepted: nothing within 'schedules with contiguous stages' and 12.0 µs of "
        "latency has a period below 4.00 µs; the stream has it"
    )
    assert json.loads(trades("--check", "stream.json", "--json").out)["within_limits"] is True


def test_a_stream_that_exceeds_the_limit_of_its_proof(trades: Run) -> None:
    document = json.loads(trades("--max-latency", "12us", "--json").out)
    document["stages"] = json.loads(trades("--json").out)["stages"]
    Path("beyond.json").write_text(json.dumps(_bare(document)))
    assert "the stream exceeds 12.0 µs of latency" in trades("--check", "beyond.json").out


def test_a_limit_that_nothing_keeps_to(run: Run) -> None:
    said = run("--max-latency", "5us")
    assert said.code == 1
    assert said.err.strip() == (
        "error: limit of latency: no stream keeps to 5.00 µs of latency: the least that can be had "
        "is 7.00 µs of latency\n  fix: allow 7e-06s or more"
    )
    assert run("--max-latency", "7e-06s").code == 0


def test_a_front(trades: Run) -> None:
    said = trades("--front", "--output", "front.json")
    *lines, last = said.out.splitlines()
    assert lines == [
        "        throughput  latency  memory               limit  stages",
        "    5e+05 inputs/s  22.0 µs     0 B  --max-latency 22us  2 x four",
        "  2.5e+05 inputs/s  8.00 µs     0 B   --max-latency 8us  2 x one",
        "1.667e+05 inputs/s  6.00 µs     0 B   --max-latency 6us  1 x two",
    ]
    assert last.startswith("no other stream is both faster and, by 1% or more, sooner done; solved")
    document = json.loads(Path("front.json").read_text())
    assert document["schema"] == "stagecut.stream_front/1"
    for line, point in zip(lines[1:], document["front"], strict=True):
        option = re.search(r"(--max-latency) (\S+)", line)
        assert option is not None
        found = json.loads(trades(*option.groups(), "--json").out)
        assert [found[key] for key in ("period_s", "latency_s")] == [
            point[key] for key in ("period_s", "latency_s")
        ]
        Path("point.json").write_text(json.dumps(point))
        assert "certificate accepted" in trades("--check", "point.json").out


@pytest.mark.parametrize("option", [("--max-latency", "1s"), ("--max-memory", "1B"), ("--front",)])
def test_limits_are_for_streams_that_are_looked_for(run: Run, option: tuple[str, ...]) -> None:
    Path("stream.json").write_text("{}")
    assert "the file says what limits" in run("--check", "stream.json", *option).err
    other = run("--objective", "latency", *option)
    assert (other.code, f"{option[0]}: is about streams" in other.err) == (2, True)

"""`stagecut partition`: every question it can be asked, and what it says."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.schedule import Schedule
from tests.support.command_line import Said, stagecut
from tests.support.pipes import pipe
from tests.support.tables import US, cost_table

Run: TypeAlias = Callable[..., Said]

#: b is faster on pim, but not by as much as the transfers cost.
TABLE = cost_table(
    "a: cpu 3, gang 4\n b(a): cpu 5, gang 4, pim 2\n c(b): cpu 3", inputs="", outputs="c@host"
)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command in a folder with `costs.json`; what it says as JSON where that is asked for."""
    monkeypatch.chdir(tmp_path)
    Path("costs.json").write_text(write_costs(TABLE))
    return lambda *options: stagecut(capsys, monkeypatch, "partition", "costs.json", *options)


def _json(said: Said) -> Any:
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_the_answer_has_all_its_keys(run: Run) -> None:
    found = _json(run("--json"))
    assert list(found) == [
        "schema",
        "method",
        "objective",
        "total_s",
        "certificate",
        "assignment",
        "transfers",
        "stages",
        "schedule",
        "solve_s",
    ]
    assert found["schema"] == "stagecut.partition/1"
    assert found["assignment"] == {"a": "cpu", "b": "gang", "c": "cpu"}
    assert found["total_s"] == pytest.approx(10 * US)
    keys = {"total", "lower_bound", "gap", "exact", "scope", "width", "proof"}
    assert set(found["certificate"]) == keys
    assert found["certificate"]["exact"] is True
    assert found["certificate"]["scope"] == "all schedules"


def test_a_table_is_solved_without_a_library_for_models(tmp_path: Path) -> None:
    (tmp_path / "costs.json").write_text(write_costs(TABLE))
    question = (
        "import sys; sys.argv = ['stagecut', 'partition', 'costs.json'];"
        "from stagecut.compiler.cli.main import run_here;"
        "import atexit; loaded = {'onnx', 'onnx_ir', 'onnxruntime', 'sympy', 'torch'};"
        "atexit.register(lambda: print(loaded & set(sys.modules))); run_here()"
    )
    done = subprocess.run(
        [sys.executable, "-c", question], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_schedule_reads_back(run: Run) -> None:
    found = _json(run("--pin", "b=pim", "--json"))
    schedule = Schedule.parse("\n".join(found["schedule"]))
    assert schedule.device_of == found["assignment"]
    assert [transfer.value for transfer in schedule.transfers] == ["a", "b"]
    assert account(TABLE, schedule).latency_s == pytest.approx(found["total_s"])


def test_a_pin_moves_nodes_and_what_they_transfer(run: Run) -> None:
    found = _json(run("--pin", "b=pim", "--json"))
    assert found["assignment"]["b"] == "pim"
    assert found["transfers"] == [
        {"value": "a", "source": "host", "target": "pim", "transfer_s": 2 * US},
        {"value": "b", "source": "pim", "target": "host", "transfer_s": 2 * US},
    ]
    assert found["total_s"] == pytest.approx(12 * US)


def test_a_forbid_keeps_nodes_off(run: Run) -> None:
    assert "gang" not in _json(run("--forbid", "*=gang", "--json"))["assignment"].values()


def test_a_pin_that_some_nodes_cannot_follow_says_so(run: Run) -> None:
    said = run("--pin", "*=gang")
    assert "holds 2 of 3 nodes" in said.err


def test_stages_are_listed(run: Run) -> None:
    found = _json(run("--json"))
    assert [stage["device"] for stage in found["stages"]] == ["cpu", "gang", "cpu"]


def test_stages_are_told_in_the_order_in_which_they_run(run: Run) -> None:
    """b and d need not wait for the graph's order."""
    branches = cost_table(
        "a: cpu 1\n b: gang 1\n c(a): cpu 1\n d(b): gang 1", stage_us={"cpu": 1, "gang": 1}
    )
    Path("costs.json").write_text(write_costs(branches))
    found = _json(run("--json"))
    assert found["schedule"] == ["run cpu: a, c", "run gang: b, d"]
    assert found["total_s"] == pytest.approx(6 * US)
    assert found["certificate"]["exact"] is True
    assert "starts     2.00 µs (2 stages)" in run().out


def test_stages_are_few_where_they_cost_something(run: Run) -> None:
    starts = cost_table("a: cpu 3, gang 4\n b(a): cpu 5, gang 4\n c(b): cpu 3", stage_us={"cpu": 2})
    Path("costs.json").write_text(write_costs(starts))
    found = _json(run("--json"))
    assert [stage["device"] for stage in found["stages"]] == ["cpu"]
    assert found["stages"][0]["nodes"] == ["a", "b", "c"]


def test_energy_is_minimised_where_it_is_known(run: Run) -> None:
    table = json.loads(Path("costs.json").read_text())
    for node in table["nodes"]:
        node["run_j"] = {device: 1.0 if device == "cpu" else 2.0 for device in node["run_s"]}
    for value in table["values"]:
        value["move_j"] = dict.fromkeys(value["move_s"], 0.0)  # names of the file format
    Path("costs.json").write_text(json.dumps(table))
    found = _json(run("--objective", "energy", "--json"))
    assert set(found["assignment"].values()) == {"cpu"}
    assert found["total_j"] == found["certificate"]["total"] == 3.0
    assert found["objective"] == "energy"
    limited = _json(run("--max-energy", "3.5J", "--json"))
    assert limited["assignment"] == {"a": "cpu", "b": "cpu", "c": "cpu"}
    assert limited["uses"]["energy"] == 3.0
    assert "exceeds energy by 1" in run("--max-energy", "2000mJ").err
    weighted = _json(run("--objective", "latency=1e6,energy=0.5", "--json"))
    assert weighted["objective"] == "latency=1e+06,energy=0.5"
    assert weighted["certificate"]["total"] == pytest.approx(10 + 2)


def test_all_methods_side_by_side(run: Run) -> None:
    found = {each["method"]: each for each in _json(run("--method", "all", "--json"))["methods"]}
    assert set(found) == {
        "optimal",
        "milp",
        "chain",
        "greedy",
        *(f"{kind} {name}" for kind in ("priority", "single") for name in ("cpu", "gang", "pim")),
    }
    best = found["optimal"]["total_s"]
    assert found["milp"]["total_s"] == pytest.approx(best)
    assert all(each["total_s"] >= best for each in found.values() if "total_s" in each)
    assert "cannot run" in found["single pim"]["error"]
    lines = run("--method", "all").out.splitlines()
    assert lines[1].startswith("optimal")
    assert "0.00%" in lines[1]


def test_somebody_elses_assignment_is_verified(run: Run) -> None:
    Path("theirs.json").write_text('{"a": "cpu", "b": "cpu", "c": "cpu"}')
    found = _json(run("--check", "theirs.json", "--json"))
    assert found["method"] == "given"
    assert found["total_s"] == pytest.approx(11 * US)
    assert found["certificate"]["lower_bound"] == pytest.approx(10 * US)
    assert found["certificate"]["gap"] == pytest.approx(1 / 11)
    said = run("--check", "theirs.json").out
    assert "not proven optimal: at most 9.09% might be saved" in said
    assert "no schedule costs less than 10.0 µs" in said


def test_what_is_claimed_is_what_the_certificate_says(run: Run) -> None:
    assert "optimal: no other schedule costs less" in run().out


def test_its_own_answer_is_verified_to_be_optimal(run: Run) -> None:
    assert run("-o", "ours.json").code == 0
    assert _json(run("--check", "ours.json", "--json"))["certificate"]["exact"] is True


def test_why_not_there(run: Run) -> None:
    found = _json(run("--explain", "b", "--json"))
    (node,) = found["nodes"]
    assert node["device"] == "gang"
    extra_us = {each["device"]: each["extra"] / US for each in node["alternatives"]}
    assert extra_us == pytest.approx({"cpu": 1, "gang": 0, "pim": 2})
    assert node["alternatives"][2]["speedup"] is None
    assert _json(run("--explain", "?", "--json"))["nodes"][2]["unable"] == ["gang", "pim"]
    assert "b runs on gang" in run("--explain", "b").out


BAD = {
    "a method that is not there": (("--method", "best"), 2, "--method"),
    "an objective that is not there": (("--objective", "speed"), 2, "objective speed"),
    "energies that are not known": (("--objective", "energy"), 1, "nodes[0].run_j.cpu"),
    "an energy that is none": (("--max-energy", "much"), 2, "--max-energy"),
    "an energy limit where none is known": (("--max-energy", "1J"), 1, "nodes[0].run_j.cpu"),
    "a rule without a device": (("--pin", "b"), 2, "PATTERN=DEVICE"),
    "a rule for an unknown device": (("--pin", "b=gpu"), 1, "gpu"),
    "a rule that nothing matches": (("--forbid", "x*=cpu"), 1, "no node and no operator"),
    "pins that contradict": (("--pin", "b=cpu", "--pin", "?=pim"), 1, "node b"),
    "a pin to a device that cannot": (("--pin", "c=pim"), 1, "node c"),
    "a node that is not there": (("--explain", "z"), 2, "'z'"),
    "two questions": (("--explain", "b", "--method", "all"), 2, "different questions"),
    "an assignment that is not there": (("--check", "no.json"), 1, "no.json"),
    "an assignment that is none": (("--check", "costs.json"), 1, "is not an assignment"),
    "an assignment that leaves a node out": (("--check", "half.json"), 1, "node b"),
    "an output of two answers": (("--method", "all", "-o", "x.json"), 2, "--output"),
}


@pytest.mark.parametrize(("options", "code", "word"), BAD.values(), ids=BAD.keys())
def test_bad_input(run: Run, options: tuple[str, ...], code: int, word: str) -> None:
    Path("half.json").write_text('{"a": "cpu"}')
    said = run(*options)
    assert said.code == code, said
    assert word in said.err
    assert "fix:" in said.err or "node b" in said.err
    assert "Traceback" not in said.err
    assert not said.out


def test_tables_and_what_is_checked_may_come_out_of_pipes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    costs, streams = Path("costs.json").read_text(), ("--objective", "throughput")
    assert run("-o", "assignment.json").code == 0
    assert run(*streams, "-o", "stream.json").code == 0
    for name, how in (("assignment.json", ()), ("stream.json", streams)):
        checked = run(*how, "--check", name)
        assert checked.code == 0, checked.err
        for table in ("costs.json", pipe(costs)):
            check = pipe(Path(name).read_text())
            said = stagecut(capsys, monkeypatch, "partition", table, *how, "--check", check)
            assert said.code == 0, said.err

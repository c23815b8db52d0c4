"""`stagecut bench`: what it measures, what it prints, and what it refuses."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stagecut.compiler import Plan
from stagecut.compiler.cli import bench_command, contestant, rivals
from stagecut.compiler.cli.bench_output import Row, document, lines
from stagecut.compiler.cli.contestant import Contestant, Turn
from stagecut.compiler.ir.errors import PlanError, UsageError
from stagecut.compiler.measure.memory import Resident
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime import Session
from tests.support.benched import Counted, Dying, Ending, Quick, Refusing
from tests.support.command_line import Said
from tests.support.small_plans import small_plans

MIB = 1 << 20


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {path.stem: path for path, _ in small_plans(tmp_path_factory.mktemp("plans"))}


def test_a_plan_beside_onnx_runtime(run: Callable[..., Said], plans: dict[str, Path]) -> None:
    said = run(
        *("bench", plans["one device"], "--rounds", 2, "--seconds", 0.02),
        *("--against", "onnxruntime", "--json"),
    )
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["schema"] == "stagecut.bench/1"
    names = [row["name"] for row in found["rows"]]
    assert names[:2] == ["the plan", "ONNX Runtime"]
    assert names[2].startswith("ONNX Runtime, 1 thread x ")
    by_plan, by_one, _ = (row["inputs_per_s"]["ways"] for row in found["rows"])
    assert {"run", "stream"} <= {*by_plan}
    assert [*by_one] == ["run"]
    for row in found["rows"]:
        latency = row["latency_s"]
        assert 0 < latency["median"] <= latency["p90"] <= latency["p99"]
        assert row["inputs_per_s"]["turns"] == 2
        assert row["inputs_per_s"]["min"] <= row["inputs_per_s"]["max"]
        assert row["inputs_per_s"]["median"] == max(row["inputs_per_s"]["ways"].values())
        assert 10 * MIB < row["memory_bytes"]["steady"] <= row["memory_bytes"]["peak"]


def test_rivals_have_processes_of_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    contestants: list[rivals.Rival] = [Quick("quick"), Refusing("refusing"), Dying("dying")]
    quick, refusing, dying = bench_command._measured(
        Path("a.plan"), contestants, rounds=2, seconds=0.01
    )
    assert [len(row.turns) for row in (quick, refusing, dying)] == [2, 0, 0]
    assert min(quick.latencies_s) >= 0.001
    assert refusing.failure == "not today"
    assert dying.failure == "its process ended with 7"
    out, err = capfd.readouterr()
    assert out == ""
    assert "an engine says something" in err


def test_a_plan_that_does_not_come_up_is_told_before_rivals_are_prepared(tmp_path: Path) -> None:
    rival = Counted("rival", tmp_path / "marks")
    with pytest.raises(PlanError, match="its process ended with 7") as raised:
        bench_command._measured(Path("a.plan"), [Dying("the plan"), rival], 2, 0.01)
    assert raised.value.where == "a.plan"
    assert not rival.marks.exists()


def test_a_plan_that_runs_no_more_is_told_in_its_turn(tmp_path: Path) -> None:
    plan, rival = Counted("the plan", tmp_path / "its", most=1), Counted("r", tmp_path / "marks")
    with pytest.raises(PlanError, match="no more"):
        bench_command._measured(Path("a.plan"), [plan, rival], rounds=5, seconds=0.01)
    assert len(rival.marks.read_text()) <= 2  # once to be ready, and in a turn before the plan's


def test_a_process_that_is_no_longer_wanted_ends() -> None:
    with Contestant(Quick("quick"), 0.01) as contestant:
        contestant.begin()
        process = contestant._process
        assert process.is_alive()
    assert not process.is_alive()


def test_a_process_ends_by_itself_or_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon, late = tmp_path / "soon", tmp_path / "late"
    with Contestant(Ending("soon", soon), 0.01) as quick:
        quick.begin()
    assert soon.exists()
    monkeypatch.setattr(contestant, "_END_S", 0.1)
    with Contestant(Ending("late", late, seconds=3600), 0.01) as slow:
        slow.begin()
        process = slow._process
    assert not process.is_alive()
    assert not late.exists()


def _row(name: str, latency_s: float, mib: int, **rates: list[float]) -> Row:
    memory = Resident(mib * MIB, 2 * mib * MIB)
    turns = (dict(zip(rates, each, strict=True)) for each in zip(*rates.values(), strict=True))
    return Row(name, [Turn((latency_s, 2 * latency_s, latency_s), each, memory) for each in turns])


ROWS = [
    _row("the plan", 0.001, 10, run=[2000.0, 200.0, 200.0], stream=[900.0, 1100.0, 1000.0]),
    _row("ONNX Runtime", 0.002, 20, run=[500.0, 500.0, 500.0]),
    Row("torch eager", failure="torch is not installed"),
]


def test_people_read_a_table_and_what_is_gained() -> None:
    assert [*lines(ROWS, 0.25)] == [
        "                   p50       p90       p99   inputs/s    memory      peak",
        "the plan       1.00 ms   2.00 ms   2.00 ms     1000.0  10.0 MiB  20.0 MiB",
        "ONNX Runtime   2.00 ms   4.00 ms   4.00 ms      500.0  20.0 MiB  40.0 MiB",
        "torch eager   does not run it: torch is not installed",
        "inputs/s of the plan: 1000.0 by stream, 200.0 by run",
        "one input at a time, the plan is 2.00 times (2.00 .. 2.00) as fast as ONNX Runtime",
        "many at once, it is 2.00 times (1.80 .. 2.20) as fast as ONNX Runtime",
        "meanwhile other work took 25% of the CPUs",
    ]


def test_alone_there_is_nothing_to_be_gained() -> None:
    assert len([*lines(ROWS[:1], None)]) == 3


def test_a_plan_for_single_runs_says_so_where_others_are_faster_many_at_once() -> None:
    faster = _row("OpenVINO throughput", 0.002, 20, AsyncInferQueue=[1500.0, 1500.0, 1500.0])
    instead = bench_command._for_many("zoo:minilm")
    told = (
        "the plan is for single runs; for many at once there is: "
        "stagecut compile zoo:minilm -o PLAN --objective throughput"
    )
    assert [*lines([ROWS[0], faster], None, instead)][-1] == told
    for rows, given in (([ROWS[0], faster], ""), (ROWS, instead)):
        assert told not in lines(rows, None, given)
    assert "compile MODEL -o" in bench_command._for_many("")


def test_programs_read_numbers() -> None:
    found: Any = document(ROWS)["rows"]
    first, _, failed = found
    assert first["latency_s"] == {"median": 0.001, "p90": 0.002, "p99": 0.002, "runs": 9}
    assert [*first["latency_s"]] == ["median", "p90", "p99", "runs"]
    assert first["inputs_per_s"] == {
        "median": 1000.0,
        "min": 900.0,
        "max": 1100.0,
        "turns": 3,
        "ways": {"stream": 1000.0, "run": 200.0},
    }
    assert [*first["inputs_per_s"]["ways"]] == ["stream", "run"]
    assert first["memory_bytes"] == {"steady": 10 * MIB, "peak": 20 * MIB}
    assert failed == {"name": "torch eager", "failure": "torch is not installed"}


def _names(engines: tuple[str, ...]) -> list[str]:
    asked = rivals.Asked(Path("m.onnx"), {}, "zoo:tiny-bert")
    return [rival.name for rival in rivals.rivals(asked, 4, engines)]


def test_engines_are_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _names(("onnxruntime",)) == ["ONNX Runtime", "ONNX Runtime, 1 thread x 4"]
    assert _names(("torch",)) == ["torch eager", "torch.compile"]
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert _names(("openvino",)) == []


def test_torch_runs_the_program_that_the_plan_was_made_from() -> None:
    pytest.importorskip("torch", reason="models of PyTorch need the torch extra")
    ids = np.zeros((1, 16), np.int64)
    one, ways = rivals.Torch("torch", "zoo:tiny-mlp", [np.zeros((1, 16), np.float32)], False).make()
    assert one() is not None
    assert ways["run"](0.01)[0] > 0
    with pytest.raises(Exception, match="takes 1 tensors, and the plan 2"):
        rivals.Torch("torch", "zoo:tiny-mlp", [ids, ids], compiled=False).make()


def test_which_program_is_torch_s() -> None:
    assert bench_command._program("mine:factory", "zoo:tiny-bert") == "mine:factory"
    assert bench_command._program(None, "zoo:tiny-bert") == "zoo:tiny-bert"
    for untrusted in ("", "os:system"):
        with pytest.raises(UsageError, match="no PyTorch program"):
            bench_command._program(None, untrusted)


def test_an_engine_that_bench_has_not(run: Callable[..., Said], plans: dict[str, Path]) -> None:
    found = run("bench", plans["one device"], "--against", "openvin")
    assert found.code == 2
    assert "openvino" in found.err


def test_what_bench_refuses(
    run: Callable[..., Said], plans: dict[str, Path], tmp_path: Path
) -> None:
    said = run("bench", plans["two memories"])
    assert said.code == 1
    assert "runs on modelled devices, whose time this machine cannot show" in said.err
    np.save(tmp_path / "x.npy", np.zeros((5, 24), np.float32))
    said = run("bench", plans["one device"], "--input", f"x={tmp_path}/x.npy")
    assert "has another shape than the variant that is measured" in said.err
    assert "profiled with x 2x24" in said.err


def test_callers_hand_on_what_an_engine_raises() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        rivals.called(fail, 2)(0.01)


def test_rivals_have_the_outputs_of_the_plan(plans: dict[str, Path], tmp_path: Path) -> None:
    stored = Plan.load(plans["two memories"]).first
    feeds: dict[str, Any] = {"x": np.linspace(-1, 1, 48, dtype=np.float32).reshape(2, 24)}
    path = tmp_path / "m.onnx"
    given = bench_command._written(stored, path, feeds)

    found = ort.InferenceSession(path).run(["y", "h"], dict(given))
    for one, other in zip(
        found, Session(Plan.load(plans["one device"])).run(None, feeds), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)

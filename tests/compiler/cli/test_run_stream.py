"""`stagecut run --stream`: what it prints, and what it refuses."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from stagecut.compiler import Plan, compile_model
from tests.support.command_line import Said, stagecut
from tests.support.onnx_models import MODELS
from tests.support.small_plans import small_plans
from tests.support.streamed import streamed

Run: TypeAlias = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return lambda *arguments: stagecut(capsys, monkeypatch, *arguments)


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("plans")
    found = {path.stem: path for path, _ in small_plans(folder)}
    for name, stages in (("one device", 1), ("two memories", 3)):
        plan = Plan.load(found[name])
        streamed(
            folder / f"{name} x2.plan", plan, (2,) * stages, batches=(2,) * stages, period_s=0.001
        )
        found[f"{name} x2"] = folder / f"{name} x2.plan"
    return found


def _json(said: Said) -> Any:
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_a_closed_loop(run: Run, plans: dict[str, Path], tmp_path: Path) -> None:
    trace = tmp_path / "stream.json"
    asked = ("run", plans["one device x2"], "--random", 0, "--stream", "--seconds", 0.3)
    found = _json(run(*asked, "--trace", trace, "--json"))
    assert (found["schema"], found["loop"], found["rate"]) == ("stagecut.stream/1", "closed", None)
    assert found["outputs"] > 0
    assert (found["failed"], found["not_begun"]) == (0, 0)
    assert found["outputs_per_s"] == pytest.approx(found["outputs"] / found["elapsed_s"])
    assert 0 < found["latency_s"]["p50"] <= found["latency_s"]["p99"]
    assert found["planned_period_s"] == pytest.approx(0.001)
    [stage] = found["stages"]
    assert (stage["name"], stage["replicas"]) == ("stage 0 on cpu.serial", 2)
    assert 0 < stage["busy"] <= 1
    assert set(stage["batches"]) <= {"1", "2"}
    records = json.loads(trace.read_text())["traceEvents"]
    tracks = {r["args"]["name"] for r in records if r["name"] == "thread_name"}
    assert tracks <= {f"stage 0 on cpu.serial, replica {index}" for index in (0, 1)}


def test_a_trace_that_cannot_be_written_is_refused_before_anything_runs(
    run: Run, plans: dict[str, Path], tmp_path: Path
) -> None:
    asked = ("run", plans["one device"], "--random", 0, "--stream", "--seconds", 3600)
    said = run(*asked, "--trace", tmp_path / "missing" / "stream.json")
    assert said.code != 0
    assert "missing" in said.err


def test_other_shapes_than_the_plan_says_something_of(run: Run, plans: dict[str, Path]) -> None:
    asked = ("run", plans["one device x2"], "--random", 0, "--stream", "--seconds", 0.1, "--json")
    assert _json(run(*asked, "--shape", "x=3x24"))["planned_period_s"] is None


def test_a_single_run_is_not_held_against_the_rate_of_a_stream(
    run: Run, plans: dict[str, Path]
) -> None:
    found = _json(run("run", plans["one device x2"], "--random", 0, "--json"))
    assert found["observed_s"] is None


def test_an_open_loop(run: Run, plans: dict[str, Path]) -> None:
    asked = ("run", plans["one device"], "--random", 0, "--stream", "--seconds", 0.5)
    found = _json(run(*asked, "--rate", 20, "--json"))
    assert (found["loop"], found["rate"]) == ("open", 20)
    assert found["outputs"] + found["not_begun"] == 10
    overloaded = _json(run(*asked, "--rate", 1e6, "--json"))
    assert overloaded["not_begun"] > 0
    assert overloaded["latency_s"]["p99"] > 0.1
    assert (
        "were due and never begun: 1e+06 inputs/s are more than" in run(*asked, "--rate", 1e6).out
    )


def test_people_read_a_few_lines(run: Run, plans: dict[str, Path]) -> None:
    said = run("run", plans["two memories x2"], "--random", 0, "--stream", "--seconds", 0.3)
    assert said.code == 0, said.err
    assert "inputs/s (" in said.out
    assert "latency p50 " in said.out
    assert "from one output to the next, 1.00 ms planned" in said.out
    assert "stage 1 on pim.hbm: 2 replicas " in said.out
    assert said.out.count("the bottleneck") == 1
    assert "modelled devices run as fast as this machine computes" in said.err


def test_a_terminal_has_a_live_line(
    run: Run, plans: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    said = run("run", plans["one device"], "--random", 0, "--stream", "--seconds", 0.6)
    assert said.code == 0
    assert "busiest: stage 0 on cpu.serial" in said.err
    assert "busiest" not in said.out


#: Options -> the exit code, and what is said.
WRONG = {
    "a rate of no stream": (("--rate", 5), 2, "--rate: is for streams"),
    "repeated": (("--stream", "--repeat", 3), 2, "--repeat: is for single runs"),
    "files of outputs": (("--stream", "--output-dir", "x"), 2, "--output-dir: is for single runs"),
    "no time": (("--stream", "--seconds", 0), 2, "--seconds: 0 s is no time"),
    "never": (("--stream", "--seconds", "nan"), 2, "--seconds: nan s is no time"),
    "no rate": (("--stream", "--rate", 0), 2, "--rate: 0 is no rate"),
    "endless": (("--stream", "--rate", "inf"), 2, "--rate: inf is no rate"),
    "too many": (
        ("--stream", "--rate", 1e6, "--seconds", 3600),
        2,
        "3.6e+09 inputs are more than can be kept count of",
    ),
    "for ever": (("--repeat", 10**20), 2, "--repeat"),
    "no inputs": (("--stream",), 1, "input x: is missing"),
}


@pytest.mark.parametrize(("options", "code", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_streamed(
    run: Run, plans: dict[str, Path], options: tuple[object, ...], code: int, said: str
) -> None:
    found = run("run", plans["one device"], *options)
    assert found.code == code
    assert said in found.err
    assert found.out == ""


def test_an_input_that_fails_ends_the_stream_with_its_error(run: Run, tmp_path: Path) -> None:
    model = MODELS["chain"].proto()
    plan = tmp_path / "chain.plan"
    compile_model(model, devices=["cpu.serial"]).save(plan)
    np.save(tmp_path / "x.npy", np.zeros((3, 4), np.float32))
    said = run("run", plan, "--input", f"x={tmp_path}/x.npy", "--stream", "--seconds", 0.1)
    assert said.code == 1
    assert "input x: has shape 3x4" in said.err

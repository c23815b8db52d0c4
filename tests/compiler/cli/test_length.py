"""`--length`: what a decoder's step costs along its sequence, as a user asks for it."""

import csv
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import onnx
import pytest

from stagecut.compiler.formats import costs_by_length_json
from stagecut.compiler.formats.costs_by_length_json import (
    read_costs_by_length,
    write_costs_by_length,
)
from stagecut.compiler.formats.costs_json import read_costs, write_costs
from stagecut.compiler.ir.costs_by_length import CostsByLength
from tests.support.command_line import Said, stagecut
from tests.support.decoders import tiny_decoder
from tests.support.lengths import steps
from tests.support.onnx_models import MODELS

Run: TypeAlias = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("steps.json").write_text(write_costs_by_length(steps()))
    return lambda *arguments: stagecut(capsys, monkeypatch, *arguments)


@pytest.fixture
def model(tmp_path: Path) -> str:
    onnx.save(tiny_decoder(), tmp_path / "tiny.onnx")
    return str(tmp_path / "tiny.onnx")


def _json(said: Said) -> Any:
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_every_change_along_the_length_is_told(run: Run) -> None:
    found = _json(run("sweep", "steps.json", "--csv", "curve.csv", "--json"))
    assert (found["schema"], found["lengths"]) == ("stagecut.sweep/1", [10, 100, 1000])
    [point] = found["breakpoints"]
    assert point["at"] <= point["from_length"] < point["at"] + 1
    assert {"node": "scores", "before": "cpu", "after": "pim"} in point["moved"]
    assert [each["assignment"]["scores"] for each in found["stretches"]] == ["cpu", "pim"]
    assert found["certificate"] == {"exact": True, "gap": 0.0}
    rows = [*csv.DictReader(Path("curve.csv").read_text().splitlines())]
    assert [float(row["length"]) for row in rows] == [
        length for each in found["stretches"] for length, _ in each["corners"]
    ]


def test_costs_may_come_out_of_a_pipe(run: Run) -> None:
    expected = _json(run("partition", "steps.json", "--length", "10", "--json"))
    pipes = {
        "--length=10": Path("steps.json").read_bytes(),
        "--time-limit=60": write_costs(steps().at(10)).encode(),
    }
    for option, text in pipes.items():
        os.mkfifo("pipe")
        threading.Thread(target=Path("pipe").write_bytes, args=(text,), daemon=True).start()
        found = _json(run("partition", "pipe", option, "--json"))
        assert found == {**expected, "solve_s": found["solve_s"]}
        Path("pipe").unlink()


def test_a_sweep_along_the_length_for_people(run: Run) -> None:
    lines = run("sweep", "steps.json").out.splitlines()
    assert (
        lines[0] == "a step behind 10 to 1000 tokens: 1 change, found by 4 partitions, each "
        "proved optimal"
    )
    assert lines[3].endswith("  up, scores, mix and 1 more: cpu → pim")
    assert lines[-1].startswith("lines through their neighbours miss the lengths between (100)")


def test_a_table_at_a_length_is_solved_as_any_other(run: Run) -> None:
    Path("at.json").write_text(write_costs(steps().at(700)))
    one = _json(run("partition", "steps.json", "--length", 700, "--json"))
    other = _json(run("partition", "at.json", "--json"))
    assert one["assignment"] == other["assignment"]
    assert one["certificate"] == other["certificate"]
    one = _json(run("sweep", "steps.json", "--length", 700, "--scale", "pim=1..2", "--json"))
    other = _json(run("sweep", "at.json", "--scale", "pim=1..2", "--json"))
    assert one["curves"] == other["curves"]


@pytest.mark.parametrize("asked", [(), ("--length", 700, "--scale", "pim=1..2")], ids=str)
def test_a_sweep_reads_its_costs_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, asked: tuple[object, ...]
) -> None:
    files: list[Path | str] = []

    def noted(source: Path | str) -> CostsByLength:
        files.append(source)
        return read_costs_by_length(source)

    monkeypatch.setattr(costs_by_length_json, "read_costs_by_length", noted)
    assert run("sweep", "steps.json", *asked).code == 0
    assert files == [Path("steps.json")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("partition", "steps.json"), "known from 10 to 1000 tokens"),
        (("partition", "steps.json", "--length", "9"), "nothing is known of 9 tokens"),
        (("partition", "plain.json", "--length", "9"), "says nothing of lengths"),
        (("sweep", "steps.json", "--length", "9,20"), "the lengths are those of the file"),
        (("sweep", "plain.json", "--length", "9", "--scale", "pim=1..2"), "says nothing of"),
        (("sweep", "plain.json", "--length", "10,20"), "plain.json: says nothing of lengths"),
        (("sweep", "steps.json", "--scale", "pim=1..2"), "nothing else changes"),
        (("sweep", "steps.json", "--length", "9"), "asks for nothing"),
        (("sweep", "steps.json", "--length", "ten"), "'ten' is no list of lengths"),
        (("sweep", "steps.json", "--objective", "throughput"), "stream"),
        (("profile", "zoo:tiny-gpt2", "-o", "x", "--length", "9,8", "--plan-only"), "one length"),
    ],
)
def test_questions_that_do_not_fit(run: Run, arguments: tuple[str, ...], says: str) -> None:
    Path("plain.json").write_text(write_costs(steps().at(100)))
    said = run(*arguments)
    assert said.code == 2
    assert says in said.err


def test_a_decoder_is_profiled_at_each_length(run: Run, model: str) -> None:
    devices = ("--device", "cpu.serial", "--device", "manycore.snitch16", "--no-cache")
    found = _json(
        run("profile", model, "-o", "s.json", "--length", "64,16,256", *devices, "--json")
    )
    assert found["lengths"] == [16, 64, 256]
    assert {*found["misfit"]} == {"cpu.serial", "manycore.snitch16"}
    costs = read_costs_by_length(Path("s.json"))
    assert [costs.tables[at].value("past_key_values.0.key").size_bytes for at in range(3)] == [
        16 * 32,
        64 * 32,
        256 * 32,
    ]


def test_and_at_one(run: Run, model: str) -> None:
    devices = ("--device", "cpu.serial", "--device", "manycore.snitch16")
    said = run("profile", model, "-o", "one.json", "--length", 64, *devices, "--no-cache")
    assert said.code == 0, said.err
    assert read_costs(Path("one.json")).value("past_key_values.0.key").size_bytes == 64 * 32
    plan = _json(run("profile", model, "--plan-only", "--length", 64, *devices, "--json"))
    assert [path["name"] for path in plan["profile_paths"]] == ["cpu.serial"]


def test_a_dry_run_asks_about_the_step(run: Run, model: str) -> None:
    said = run("compile", model, "--dry-run", "--length", 64, "--device", "cpu.serial")
    assert said.code == 0, said.err
    assert "tiny.decode: " in said.out


def test_a_dry_run_is_of_the_answer_that_is_asked_for(run: Run, model: str) -> None:
    dry = ("compile", model, "--dry-run", "--device", "cpu.serial")
    said = run(*dry, "--objective", "generate:prompt=4,new=8", "--json")
    assert said.code == 0, said.err
    shapes = {each["entry"]: each["shapes"] for each in _json(said)["variants"]}
    assert [*shapes] == ["prefill", "decode"]
    twice = run(*dry, "--objective", "generate:prompt=4,new=8", "--prompt", 5)
    assert (twice.code, "leave --prompt out" in twice.err) == (2, True)


def test_a_dry_run_refuses_what_a_compile_does(run: Run, model: str, tmp_path: Path) -> None:
    asked = ("compile", model, "--device", "cpu.serial")
    for wrong in (("--objective", "throughput"), ("--metric", "package.module:function")):
        said = run(*asked, *wrong, "--dry-run")
        assert said.code == 2
        assert said.err == run(*asked, *wrong, "-o", tmp_path / "x.plan", "--no-cache").err


def test_a_model_without_a_cache_has_no_length(run: Run, tmp_path: Path) -> None:
    onnx.save(MODELS["residual"].proto(), tmp_path / "plain.onnx")
    said = run("profile", "plain.onnx", "-o", "x.json", "--length", 64)
    assert said.code == 2
    assert "it is no decoder" in said.err


def test_a_dry_run_of_a_plan_for_several_lengths(run: Run, model: str) -> None:
    options = ("--prompt", 4, "--device", "null", "--dry-run", "--json")
    both = _json(run("compile", model, "--length", "9,20", *options))
    assert len(both["variants"]) == 2
    wrong = run("compile", model, "--length", "9,2000", "--capacity", 100, *options)
    assert (wrong.code, "behind 2000 tokens does not fit" in wrong.err) == (2, True)

"""Every command on a small model: what it prints, and the keys that others rely on."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import pytest

from stagecut.backends.null.device import NullBackend
from stagecut.compiler.formats.costs_json import read_costs, write_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.device import Estimate
from stagecut.compiler.ir.schedule import Schedule
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime.session import Session
from tests.support.command_line import Said
from tests.support.reference import run_reference
from tests.support.scattered import expand

Run: TypeAlias = Callable[..., Said]

#: What there is on every machine, whatever else is installed.
CPU = ("--device", "cpu.serial", "--device", "cpu.parallel")


@pytest.fixture
def plan(compiled: bytes, model: Path) -> Path:
    path = model.with_suffix(".plan")
    path.write_bytes(compiled)
    return path


def _json(said: Said) -> Any:
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_compile_says_in_json_what_it_made(run: Run, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.plan"
    devices = ("--device", "cpu.serial", "--device", "cpu.parallel", "--device", "pim.hbm")
    found = _json(run("compile", model, "-o", output, *devices, "--no-cache", "--json"))
    assert found["plan"] == str(output)
    assert found["nodes"] >= found["stages"] >= 1
    assert found["profile_paths"] == 2
    assert found["certificate"]["exact"] is True
    assert found["certificate"]["total_s"] >= 0
    assert found["certificate"]["lower_bound_s"] <= found["certificate"]["total_s"] * (1 + 1e-12)
    assert found["certificate"]["scope"] == "all schedules"
    assert found["certificate"]["claim"] == "optimal: no other schedule costs less"
    names = [name for each in found["contenders"] for name in (each, *each["also"])]
    assert {"cpu.serial", "cpu.parallel"} <= {each["device"] for each in names}
    assert all({"median_s", "predicted_s", "basis"} <= set(each) for each in found["contenders"])
    [shipped] = (each for each in found["contenders"] if each["chosen"])
    assert found["shipped"] == {key: shipped[key] for key in ("kind", "device", "name")}
    assert found["basis"] in {"measured", "modelled"}
    planned = Plan.load(output).first.planned
    assert planned.account.latency_s == found["predicted_s"]
    assert planned.observed_s == found["observed_s"]


def test_compile_says_where_its_time_went(run: Run, model: Path, tmp_path: Path) -> None:
    asked = ("compile", model, "-o", tmp_path / "x.plan", "--no-cache", *CPU)
    phases = _json(run(*asked, "--effort", "quick", "--json"))["phases"]
    names = ["import", "weights", "plan", "profile", "partition", "gate", "assemble", "write"]
    assert list(phases) == names
    assert all(time_s >= 0 for time_s in phases.values())
    assert "compiled in" in run(*asked, "--effort", "quick").out


def test_compile_without_json_shows_a_summary(run: Run, model: Path, tmp_path: Path) -> None:
    said = run("compile", model, "-o", tmp_path / "x.plan", "--no-cache")
    assert said.code == 0
    assert "predicted" in said.out
    assert "stagecut report" in said.out


def test_dump_writes_the_text_form_of_every_step(run: Run, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    run("compile", model, "-o", tmp_path / "x.plan", "--no-cache", "--dump", folder, *CPU)
    assert [path.name for path in sorted(folder.iterdir())] == [
        "01-graph.txt",
        "02-expanded.txt",
        "03-costs.json",
        "04-schedule.txt",
        "05-contenders.txt",
        "06-stages.txt",
    ]
    assert "MatMul" in (folder / "01-graph.txt").read_text()
    certificate, _, schedule = (folder / "04-schedule.txt").read_text().partition("\n")
    assert "optimal: no other schedule costs less" in certificate
    nodes = read_costs(folder / "03-costs.json").nodes
    assert sorted(Schedule.parse(schedule).order) == sorted(node.name for node in nodes)


def test_a_dry_run_says_who_takes_what_and_runs_nothing(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("something runs")

    monkeypatch.setattr("stagecut.runtime.executor.Executor.run", never)
    options = ("compile", model, "--dry-run", "--device", "cpu.serial", "--device", "null")
    null = "null:operators=MatMul"
    found = _json(run(*options[:-1], null, "--json"))
    [variant] = found["variants"]
    serial, other = variant["devices"]
    assert serial["takes"] == variant["nodes"]
    assert serial["refuses"] == []
    assert other["takes"] + sum(each["nodes"] for each in other["refuses"]) == variant["nodes"]
    assert variant["profile_paths"] == 1
    assert found["rounds"]["profile"]["least"] >= 1
    time = found["expected"]
    assert 0 < time["about_s"] <= time["most_s"]
    said = run(*options[:-1], null).out.splitlines()
    assert said[-1] == "nothing of the model was run"
    assert any("would be measured: 1 path through the model" in line for line in said)
    assert any(line.startswith("compiling would take about ") for line in said)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (("--objective", "throughput"), "batches of a stream"),
        (("--tolerance", "0.01"), "how many plans a tolerance admits"),
    ],
)
def test_a_time_that_is_not_known_is_not_told(
    run: Run, model: Path, asked: tuple[str, ...], why: str
) -> None:
    dry = ("compile", model, "--dry-run", "--device", "cpu.serial", *asked)
    [line] = [each for each in run(*dry).out.splitlines() if "how long" in each]
    assert why in line
    assert _json(run(*dry, "--json"))["expected"] is None


def test_a_dry_run_is_of_what_was_asked_for(run: Run, model: Path, tmp_path: Path) -> None:
    costs = tmp_path / "costs.json"
    expanded = expand(load_program(str(model)), ["cpu.serial"], "cluster")
    costs.write_text(write_costs(unmeasured(expanded)))
    by_costs = ("compile", model, "--dry-run", "--costs", costs)
    [variant] = (found := _json(run(*by_costs, "--json")))["variants"]
    assert [each["device"] for each in variant["devices"]] == ["cpu.serial"]
    assert (variant["profile_paths"], found["rounds"]) == (0, {})
    assert "nothing would be measured: the costs are handed in" in run(*by_costs).out
    dry = ("compile", model, "--dry-run", "--device", "cpu.serial", "--effort", "quick", "--json")
    streams = _json(run(*dry, "--objective", "throughput"))["rounds"]["gate"]
    assert streams == {"least": 1, "most": 3, "budget_s": 2.0}
    said = run(*dry, "--objective", "speed")
    assert (said.code, "is not part of an objective" in said.err) == (2, True)


def test_a_compile_needs_a_file_or_a_dry_run(run: Run, model: Path) -> None:
    said = run("compile", model)
    assert said.code == 2
    assert "add -o model.plan, or --dry-run to measure nothing" in said.err


def test_run_writes_outputs_that_agree_with_onnxruntime(
    run: Run, plan: Path, model: Path, tmp_path: Path
) -> None:
    x = np.random.default_rng(3).standard_normal((2, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "out"
    found = _json(run("run", plan, "--input", f"x={tmp_path}/x.npy", "--output-dir", out, "--json"))
    assert found["outputs"]["y"]["dtype"] == "float32"
    assert found["outputs"]["y"]["shape"] == [2, 4]
    y = np.load(found["outputs"]["y"]["file"])
    [expected] = run_reference(onnx.load(model), {"x": x})
    np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_run_closes_its_session(run: Run, plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By which a plan over hosts leaves the cluster: the process ends without a word to it."""
    closed: list[bool] = []
    monkeypatch.setattr(Session, "close", lambda _, *, cancel=False: closed.append(cancel))
    assert run("run", plan, "--random", 0).code == 0
    assert run("run", plan).code == 1
    assert closed == [False, True]


def test_run_says_what_each_stage_took(run: Run, plan: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    found = _json(run("run", plan, "--random", 0, "--repeat", 3, "--trace", trace, "--json"))
    latency = found["latency_s"]
    assert latency["runs"] == 3
    assert latency["min"] <= latency["median"] <= latency["max"]
    assert latency["median"] <= latency["p90"] <= latency["p99"] == latency["max"]
    assert [*latency] == ["median", "min", "max", "p90", "p99", "runs"]
    assert found["peak_memory_bytes"] > 2**20
    for stage in found["stages"]:
        assert {"index", "device", "predicted_s", "observed_s"} <= set(stage)
        assert ("measured_s" in stage) != ("modelled_s" in stage)
    assert json.loads(trace.read_text())["traceEvents"]


def test_run_says_how_slow_the_slowest_are_and_how_much_memory_it_takes(
    run: Run, plan: Path
) -> None:
    many = run("run", plan, "--random", 0, "--repeat", 20).out
    assert re.search(r"\n  p90 [\d.]+ .?s, p99 [\d.]+ .?s; at most [\d.]+ [MG]iB of memory", many)
    assert "p99" not in run("run", plan, "--random", 0).out


def test_run_without_inputs_offers_random_ones(run: Run, plan: Path) -> None:
    said = run("run", plan)
    assert said.code == 1
    assert said.err == (
        "error: input x: is missing\n"
        "  fix: add --input x=FILE.npy, or --random 0 to run on random numbers\n"
    )


def test_run_says_that_the_plan_was_made_elsewhere(
    run: Run, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("run", plan, "--random", 0).err == ""
    monkeypatch.setattr("stagecut.runtime.session.cpu_model", lambda: "a toaster")
    said = run("run", plan, "--random", 0)
    assert said.code == 0
    assert "and this is a toaster with " in said.err


def test_the_same_seed_gives_the_same_outputs(run: Run, plan: Path, tmp_path: Path) -> None:
    arrays = []
    for name in ("a", "b"):
        _json(run("run", plan, "--random", 7, "--output-dir", tmp_path / name, "--json"))
        arrays.append(np.load(tmp_path / name / "y.npy"))
    np.testing.assert_array_equal(*arrays)


def test_report_in_terminal_page_and_json(run: Run, plan: Path, tmp_path: Path) -> None:
    assert "predicted" in run("report", plan).out
    page = tmp_path / "x.html"
    assert run("report", plan, "--html", page).code == 0
    assert page.read_text().lstrip().lower().startswith("<!doctype html>")
    assert _json(run("report", plan, "--json"))["schema"] == "stagecut.report/3"


def test_profile_then_partition_then_compile_from_the_table(
    run: Run, model: Path, tmp_path: Path
) -> None:
    costs = tmp_path / "costs.json"
    profiled = _json(run("profile", model, "-o", costs, "--no-cache", "--json", *CPU))
    paths = [path["name"] for path in profiled["profile_paths"]]
    assert paths == ["cpu.serial", "cpu.parallel"]
    solved = _json(run("partition", costs, "--json"))
    assert set(solved) >= {"method", "total_s", "certificate", "assignment", "transfers"}
    assert solved["certificate"]["exact"] is True
    plans = [tmp_path / "one.plan", tmp_path / "two.plan"]
    for plan in plans:
        made = _json(run("compile", model, "-o", plan, "--costs", costs, "--json"))
        assert made["certificate"]["total_s"] == solved["total_s"]
    assert plans[0].read_bytes() == plans[1].read_bytes()


def test_profile_for_streams_that_cannot_be(run: Run, model: Path, tmp_path: Path) -> None:
    """docs/streams.md shows one that can."""
    costs, streams = tmp_path / "costs.json", ("--objective", "throughput")
    said = run("profile", model, "--plan-only", *streams)
    assert (said.code, "leave out --objective throughput" in said.err) == (2, True)
    assert run("profile", model, "-o", costs, "--objective", "energy").code == 2


def test_profile_says_beforehand_what_it_would_run(run: Run, model: Path) -> None:
    found = _json(run("profile", model, "--plan-only", "--json", *CPU))
    names = [path["name"] for path in found["profile_paths"]]
    assert names == ["cpu.serial", "cpu.parallel"]
    assert (found["node_paths"], found["transfer_paths"], found["fewest"]) == (2, 0, 2)
    assert "2 + 0 paths" in run("profile", model, "--plan-only", *CPU).out
    said = run("profile", model)
    assert (said.code, "--plan-only" in said.err) == (2, True)


def test_compile_heeds_pins_and_objective(run: Run, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.plan"
    pinned = ("--pin", "*=cpu.serial", "--no-cache", "--json")
    found = _json(run("compile", model, "-o", output, *pinned))
    assert [contender["name"] for contender in found["contenders"]] == ["cpu.serial"]
    planned = Plan.load(output).first.planned
    assert planned.provenance.options["pin"] == "*=cpu.serial"
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    assert all(set(node.totals) == {"cpu.serial"} for node in planned.nodes)
    said = run("compile", model, "-o", output, "--forbid", "*=cpu.serial", "--pin", "*=cpu.serial")
    assert said.code == 1
    assert "no device is left" in said.err


@pytest.fixture
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else this machine does."""
    monkeypatch.setattr("stagecut.compiler.circumstances.foreign_load", lambda *_: None)


@pytest.mark.usefixtures("_quiet")
def test_two_compiles_with_the_cache_give_the_same_bytes(
    run: Run, model: Path, tmp_path: Path
) -> None:
    """And the second says where its figures come from."""
    plans = [tmp_path / "one.plan", tmp_path / "two.plan"]
    said = [run("compile", model, "-o", plan, "--cache-dir", tmp_path / "cache") for plan in plans]
    assert [each.code for each in said] == [0, 0]
    assert plans[0].read_bytes() == plans[1].read_bytes()
    assert "from the cache" not in said[0].err
    for what in ("profile", "gate"):
        told = f"stagecut: the {what} is from the cache, measured less than a minute ago\n"
        assert told in said[1].err


def test_a_file_in_the_place_of_the_cache_costs_one_warning(
    run: Run, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("mine")
    said = run("compile", model, "-o", tmp_path / "x.plan", "--cache-dir", tmp_path / "cache", *CPU)
    assert said.code == 0
    assert said.err.count("nothing is kept in the cache") == 1
    assert (tmp_path / "cache").read_text() == "mine"


@pytest.mark.usefixtures("_quiet")
def test_damage_in_the_cache_costs_one_warning_and_no_wrong_number(
    run: Run, model: Path, tmp_path: Path
) -> None:
    asked = ("compile", model, "-o", tmp_path / "x.plan", "--cache-dir", tmp_path / "cache", *CPU)
    run(*asked)
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(path.read_bytes().replace(b"9", b"8"))
    said = run(*asked)
    assert said.code == 0
    assert said.err.count("is damaged") == 1
    assert "from the cache" not in said.err
    assert "damaged" not in run(*asked).err


def test_without_a_home_nothing_is_kept(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _: Path("~/.cache/stagecut"))
    monkeypatch.chdir(tmp_path)
    said = run("compile", model, "-o", "x.plan", *CPU)
    assert (said.code, said.err.count("no home folder")) == (0, 1)
    assert not (tmp_path / "~").exists()


def test_what_is_cached_is_forgotten_when_a_device_models_anew(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = tmp_path / "costs.json"
    asked = ("profile", model, "-o", costs, "--device", "null", "--cache-dir", tmp_path / "cache")
    found = []
    for run_s in (3.0, 5.0):
        monkeypatch.setattr(NullBackend, "estimate", lambda *_, run_s=run_s: Estimate(run_s))
        assert run(*asked).code == 0
        found.append(read_costs(costs).nodes[0].run_s["null"])
    assert found == [3.0, 5.0]


@pytest.mark.parametrize("method", ["optimal", "greedy", "priority", "single", "chain", "milp"])
def test_partition_methods(run: Run, model: Path, tmp_path: Path, method: str) -> None:
    costs = tmp_path / "costs.json"
    run("profile", model, "-o", costs, "--no-cache")
    best = _json(run("partition", costs, "--json"))
    found = _json(run("partition", costs, "--method", method, "--json"))
    assert found["method"].startswith(method)
    assert found["total_s"] >= best["total_s"] * (1 - 1e-12)


def test_devices_lists_what_there_is(run: Run) -> None:
    found = {device["name"]: device for device in _json(run("devices", "--json"))["devices"]}
    assert found["cpu.serial"]["basis"] == "measured"
    assert found["pim.hbm"]["basis"] == "modelled"
    engine = {"name", "memory", "basis", "precision", "resource", "cores"}
    keys = engine | {"description", "available", "why_not"}
    assert all(set(device) == keys for device in found.values())
    assert (found["cpu.serial"]["precision"], found["cpu.serial"]["cores"]) == ("f32", 1)
    assert found["cpu.serial"]["resource"] == found["cpu.parallel"]["resource"]
    assert "cpu.parallel" in run("devices").out


def test_estimate_says_what_one_operator_takes(run: Run) -> None:
    shapes = ("--shape", "1x1024", "--shape", "1024x4096")
    found = _json(run("estimate", "pim.hbm:channels=64,refresh=off", "MatMul", *shapes, "--json"))
    assert found["basis"] == "modelled"
    assert found["cycles"] > 0
    assert found["run_s"] > 0
    assert "cycles" in run("estimate", "pim.hbm", "MatMul", *shapes).out


#: 300 inputs are three tiles, of which the second lies in odd banks; 100 outputs, two tiles.
LAYOUT = """\
  room       128 KiB, gaps included
  inputs    outputs  channels  banks       rank  rows
  0..127    0..63    0         0, 2 .. 14  0     0..1
  128..255  0..63    0         1, 3 .. 15  0     0..1
  256..383  0..63    0         0, 2 .. 14  0     2..3
  0..127    64..127  0         0, 2 .. 14  0     4..5
  128..255  64..127  0         1, 3 .. 15  0     4..5
  256..383  64..127  0         0, 2 .. 14  0     6..7
"""


def test_estimate_shows_where_weights_lie(run: Run) -> None:
    asked = ("estimate", "pim.hbm:channels=1", "MatMul", "--shape", "1x300", "--shape", "300x100")
    assert run(*asked, "--layout").out.endswith(LAYOUT)
    found = _json(run(*asked, "--layout", "--json"))["layout"]
    assert found["weight_bytes"] == 128 * 1024
    assert len(found["tiles"]) == 2 * 3 * 8
    assert found["tiles"][0] == {
        "inputs": [0, 128], "outputs": [0, 8], "channel": 0, "rank": 0, "bank": 0,
        "row": 0, "rows": 2,
    }  # fmt: skip
    assert "layout" not in _json(run(*asked, "--json"))


def test_estimate_says_how_channels_share(run: Run) -> None:
    said = run(
        "estimate", "pim.hbm:refresh=off", "MatMul", "--shape", "1x1024", "--shape", "1024x1024"
    )
    assert "split      2 channels share an output, 1867 + 181 cycles: faster, so used" in said.out


def test_help_comes_at_once_because_nothing_heavy_is_loaded() -> None:
    heavy = (
        "torch transformers onnx onnxruntime onnx_ir pydantic networkx numpy scipy openvino "
        "multiprocessing"
    )
    code = f"""
import sys
sys.argv = ["stagecut", "--help"]
from stagecut.compiler.cli.main import main
try:
    main()
except SystemExit:
    pass
print([name for name in {heavy.split()} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "compile" in done.stdout
    assert done.stderr == "[]\n"

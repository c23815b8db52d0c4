"""`stagecut report` and `stagecut diff`: every view of a plan, and every file it becomes."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import onnx
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.chrome_trace import to_chrome
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime.feeds import random_feeds
from stagecut.runtime.session import Session
from tests.support.command_line import Said, stagecut
from tests.support.onnx_models import MODELS

Run: TypeAlias = Callable[..., Said]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("plans") / "x.plan"
    devices, model = ["cpu.serial", "pim.hbm"], MODELS["residual"].proto()
    settings = Settings(load=lambda: None)  # whatever else this machine does
    compile_model(model, devices=devices, granularity="op", settings=settings).save(path)
    return path.read_bytes()


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    compiled: bytes,
) -> Run:
    """The command line in a folder with `x.plan`."""
    monkeypatch.chdir(tmp_path)
    onnx.save(MODELS["residual"].proto(), "model.onnx")
    (tmp_path / "x.plan").write_bytes(compiled)
    return partial(stagecut, capsys, monkeypatch)


def _node(plan: str = "x.plan") -> str:
    return Plan.load(plan).first.planned.nodes[0].name


def test_the_summary_fits_a_screen(run: Run) -> None:
    said = run("report", "x.plan")
    assert said.code == 0
    assert "predicted" in said.out
    assert len(said.out.splitlines()) <= 24
    assert "\x1b" not in said.out


VIEWS = {"--stages": "Stages", "--nodes": "Nodes", "--contenders": "Contenders"}


@pytest.mark.parametrize(("option", "title"), VIEWS.items(), ids=VIEWS)
def test_a_view_is_shown_alone(run: Run, option: str, title: str) -> None:
    said = run("report", "x.plan", option)
    assert said.out.startswith(title)
    others = set(VIEWS.values()) - {title}
    assert not any(line in others for line in said.out.splitlines())


def test_views_can_be_combined(run: Run) -> None:
    out = run("report", "x.plan", "--nodes", "--stages", "--explain", _node()).out
    assert out.index("Stages") < out.index("Nodes") < out.index("On each device")


def test_a_node_is_explained(run: Run) -> None:
    out = run("report", "x.plan", "--explain", _node()).out
    assert "runs here" in out
    assert "with all other nodes" in out


def test_a_node_that_is_not_there(run: Run) -> None:
    said = run("report", "x.plan", "--explain", "nothing")
    assert said.code == 2
    assert "no node 'nothing'" in said.err


def test_json_says_everything_and_so_stands_alone(run: Run) -> None:
    assert json.loads(run("report", "x.plan", "--json").out)["schema"] == "stagecut.report/3"
    assert run("report", "x.plan", "--json", "--nodes").code == 2


def test_files_for_other_tools(run: Run) -> None:
    files = ("--html", "x.html", "--dot", "x.dot", "--onnx", "x.onnx")
    said = run("report", "x.plan", *files)
    assert (said.code, said.out) == (0, "")
    assert [line.split()[-1] for line in said.err.splitlines()] == ["x.html", "x.dot", "x.onnx"]
    assert Path("x.dot").read_text().startswith("digraph")
    model = onnx.load("x.onnx")
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key for node in model.graph.node for entry in node.metadata_props}
    assert {"stagecut.device", "stagecut.stage"} <= metadata


def test_the_annotated_model_still_computes_the_same(run: Run) -> None:
    run("report", "x.plan", "--onnx", "x.onnx")
    session = Session("x.plan")
    feeds = random_feeds(session.planned.inputs, 0)
    [expected] = session.run(None, feeds)
    [found] = ort.InferenceSession("x.onnx").run(None, feeds)
    assert found == pytest.approx(expected, rel=1e-2, abs=1e-2)


def test_a_run_is_handed_in(run: Run) -> None:
    assert run("run", "x.plan", "--random", "0", "--trace", "run.json").code == 0
    with_run = json.loads(run("report", "x.plan", "--trace", "run.json", "--json").out)
    assert with_run["summary"]["observed"]["source"] == "trace"
    assert json.loads(run("report", "x.plan", "--json").out)["summary"]["observed"]["runs"] > 1


NO_TRACES = {"a plan": "x.plan", "another model's run": "y.json", "nothing": "none.json"}


@pytest.mark.parametrize("path", NO_TRACES.values(), ids=NO_TRACES.keys())
def test_a_run_of_something_else_is_refused(run: Run, path: str) -> None:
    Path("y.json").write_text(to_chrome(Trace((), 0.0)))
    said = run("report", "x.plan", "--trace", path)
    assert (said.code, said.out) == (1, "")
    assert "fix:" in said.err


def test_a_file_that_cannot_be_written(run: Run) -> None:
    said = run("report", "x.plan", "--dot", "no/such/x.dot")
    assert said.code == 1
    assert "cannot be written" in said.err


def _json(said: Said, code: int) -> Any:
    assert said.code == code, said
    return json.loads(said.out)


def test_a_plan_does_not_differ_from_itself(run: Run) -> None:
    assert _json(run("diff", "x.plan", "x.plan", "--json"), 0)["differs"] is False
    assert "everything runs where it ran" in run("diff", "x.plan", "x.plan").out


def test_plans_that_differ_exit_with_1(run: Run) -> None:
    said = run("compile", "model.onnx", "-o", "y.plan", "--no-cache", "--device", "cpu.parallel")
    assert said.code == 0, said.err
    found = _json(run("diff", "x.plan", "y.plan", "--json"), 1)
    assert found["differs"] is True
    assert {move["after"] for move in found["moves"]} == {"cpu.parallel"}
    assert "model SHA-256" not in found["made_from"]
    assert "What moved" in run("diff", "x.plan", "y.plan").out


def test_a_plan_that_is_not_there(run: Run) -> None:
    said = run("diff", "x.plan", "none.plan")
    assert said.code == 1
    assert "none.plan" in said.err

"""Whatever the user gets wrong: what is wrong, where, how to mend it; exit 1 or 2; no traceback."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.profiling import profile_model
from tests.support.command_line import Said
from tests.support.onnx_models import MODELS

Run: TypeAlias = Callable[..., Said]

COMMAND = (sys.executable, "-m", "stagecut.compiler.cli.main")

_HEADER = '<ir_version: 10, opset_import: ["": 21, "made.up": 1]>\n'
_SYMBOLIC = "g (float[batch,4] x) => (float[batch,4] y) { y = Relu(x) }"
_UNKNOWN = "g (float[2] x) => (float[2] y) { y = Relux(x) }"
_FOREIGN = "g (float[2] x) => (float[2] y) { y = made.up.Relu(x) }"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with good and bad models, which is the working folder."""
    onnx.save(MODELS["residual"].proto(), tmp_path / "good.onnx")
    for name, text in (("symbolic", _SYMBOLIC), ("unknown", _UNKNOWN), ("foreign", _FOREIGN)):
        onnx.save(onnx.parser.parse_model(_HEADER + text), tmp_path / f"{name}.onnx")
    (tmp_path / "text.onnx").write_text("this is not a model\n" * 20)
    (tmp_path / "empty.onnx").write_bytes(b"")
    whole = (tmp_path / "good.onnx").read_bytes()
    (tmp_path / "short.onnx").write_bytes(whole[: len(whole) // 2])
    _with_missing_weights(tmp_path / "weightless.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def profiled() -> str:
    """What the good model takes."""
    model = MODELS["residual"].proto()
    settings = Settings(effort="quick")
    return write_costs(profile_model(model, devices=["cpu.serial"], settings=settings).costs)


def _with_missing_weights(path: Path) -> None:
    model = MODELS["residual"].proto()
    for weight in model.graph.initializer:  # only raw bytes can be moved out
        array = onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    onnx.save(model, path, save_as_external_data=True, location="weights.data", size_threshold=0)
    (path.parent / "weights.data").unlink()


#: The arguments of `compile`, but for `-o`; the exit code; a word that the message must have.
COMPILE = {
    "a model that is not there": (["nowhere.onnx"], 1, "nowhere.onnx"),
    "a text file": (["text.onnx"], 1, "ONNX"),
    "an empty file": (["empty.onnx"], 1, "empty"),
    "a truncated model": (["short.onnx"], 1, "short.onnx"),
    "a model whose weights are missing": (["weightless.onnx"], 1, "weights.data"),
    "an unknown operator": (["unknown.onnx"], 1, "Relux"),
    "an unknown domain": (["foreign.onnx"], 1, "made.up"),
    "no kind of model at all": (["gibberish"], 2, "gibberish"),
    "an unknown zoo model": (["zoo:bert-bass"], 2, "bert-base"),
    "a factory in no module": (["no.such:thing"], 2, "no.such"),
    "an unknown device": (["good.onnx", "--device", "cpu.seriel"], 1, "cpu.serial"),
    "an unknown device option": (["good.onnx", "--device", "pim.hbm:chanels=4"], 1, "channels"),
    "a device option without sense": (["good.onnx", "--device", "pim.hbm:channels=0"], 1, "0"),
    "a device option of no form": (["good.onnx", "--device", "pim.hbm:channels"], 1, "key=value"),
    "a device twice": (["good.onnx", "--device", "null", "--device", "null"], 1, "twice"),
    "no device that can run a node": (
        ["good.onnx", "--device", "null:operators=Relu"],
        1,
        "MatMul",
    ),
    "a symbolic dimension left unbound": (["symbolic.onnx"], 1, "--shape x="),
    "a shape of the wrong rank": (["symbolic.onnx", "--shape", "x=2x4x4"], 1, "x"),
    "a shape that contradicts the model": (["symbolic.onnx", "--shape", "x=2x5"], 1, "4"),
    "a shape for no input": (["symbolic.onnx", "--shape", "z=2x4"], 1, "z"),
    "a shape that is none": (["symbolic.onnx", "--shape", "x=2xfour"], 1, "1x128"),
    "a shape without a name": (["symbolic.onnx", "--shape", "2x4"], 1, "INPUT"),
    "an unknown objective": (["good.onnx", "--objective", "beauty"], 2, "latency"),
    "an unknown granularity": (["good.onnx", "--granularity", "atom"], 2, "cluster"),
    "a sample that is not there": (["good.onnx", "--input", "x=nowhere.npy"], 1, "nowhere.npy"),
    "costs without an end": (["good.onnx", "--costs", "/dev/zero"], 1, "too large"),
    "costs that are not there": (["good.onnx", "--costs", "nowhere.json"], 1, "nowhere.json"),
}


@pytest.mark.parametrize(("arguments", "code", "word"), COMPILE.values(), ids=COMPILE.keys())
def test_compile_refuses(run: Run, here: Path, arguments: list[str], code: int, word: str) -> None:
    before = sorted(here.iterdir())
    said = run("compile", *arguments, "-o", "x.plan", "--no-cache")
    _check_message(said, code, word)
    assert sorted(here.iterdir()) == before


def _check_message(said: Said, code: int, word: str) -> None:
    assert said.code == code, said
    assert word in said.err
    assert "fix:" in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


#: The arguments of `run` behind the plan; a word that the message must have.
RUN = {
    "an input that is missing": ([], "x"),
    "an input that does not exist": (["--random", "0", "--input", "z=good.npy"], "z"),
    "an input of the wrong type": (["--input", "x=whole.npy"], "float32"),
    "an input of the wrong shape": (["--input", "x=wide.npy"], "2x4"),
    "an input file that is none": (["--input", "x=good.onnx"], "good.onnx"),
    "an input without a file": (["--input", "x"], "INPUT=FILE.npy"),
    "an output folder that cannot be made": (
        ["--random", "0", "--output-dir", "/proc/no"],
        "/proc",
    ),
    "a trace that cannot be written": (["--random", "0", "--trace", "no/where.json"], "no/where"),
}


@pytest.mark.parametrize(("arguments", "word"), RUN.values(), ids=RUN.keys())
def test_run_refuses(
    run: Run, here: Path, compiled: bytes, arguments: list[str], word: str
) -> None:
    np.save(here / "good.npy", np.zeros((2, 4), np.float32))
    np.save(here / "whole.npy", np.zeros((2, 4), np.int64))
    np.save(here / "wide.npy", np.zeros((2, 5), np.float32))
    (here / "x.plan").write_bytes(compiled)
    _check_message(run("run", "x.plan", *arguments), 1, word)


def _truncated(plan: Path) -> None:
    plan.write_bytes(plan.read_bytes()[:-100])


def _flipped(plan: Path) -> None:
    content = bytearray(plan.read_bytes())
    content[len(content) // 2] ^= 1
    plan.write_bytes(content)


def _newer(plan: Path) -> None:
    _rewritten(plan, lambda name, content: (name, content.replace(b"plan/2", b"plan/3")))


def _older(plan: Path) -> None:
    _rewritten(plan, lambda name, content: (name, content.replace(b"plan/2", b"plan/1")))


def _escaping(plan: Path) -> None:
    _rewritten(plan, lambda name, content: (f"../{name}", content))


def _foreign(plan: Path) -> None:
    with zipfile.ZipFile(plan, "w") as archive:
        archive.writestr("hello.txt", "hello")


def _rewritten(plan: Path, change: Callable[[str, bytes], tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(plan) as archive:
        members = [change(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(plan, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)


def _gone(plan: Path) -> None:
    plan.unlink()


def _text(plan: Path) -> None:
    plan.write_text("not a plan")


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a truncated plan": (_truncated, "cut short"),
    "a plan with one flipped bit": (_flipped, "damaged"),
    "a plan of a newer schema": (_newer, "stagecut.plan/3"),
    "a plan of the schema before": (_older, "compile"),
    "a plan with names that lead outside": (_escaping, "outside"),
    "a zip file that is no plan": (_foreign, "plan"),
    "a plan that is not there": (_gone, "No such file"),
    "a text file": (_text, "not a plan"),
}


@pytest.mark.parametrize("command", ["run", "report", "report --html x.html", "diff x.plan"])
@pytest.mark.parametrize(("damage", "word"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_plans_are_refused(
    run: Run,
    here: Path,
    compiled: bytes,
    damage: Callable[[Path], None],
    word: str,
    command: str,
) -> None:
    (here / "x.plan").write_bytes(compiled)
    damage(here / "x.plan")
    _check_message(run(*command.split(), "x.plan"), 1, word)
    assert not (here / "x.html").exists()


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-1e-6", '"fast"', "null"])
def test_costs_without_sense_are_refused_by_their_path(
    run: Run, here: Path, profiled: str, cost: str
) -> None:
    table = json.loads(profiled)
    table["nodes"][0]["run_s"]["cpu.serial"] = "HERE"
    (here / "costs.json").write_text(json.dumps(table).replace('"HERE"', cost))
    _check_message(run("partition", "costs.json"), 1, "nodes[0].run_s.cpu.serial")


def test_shapes_that_do_not_fit_one_operator_are_refused(run: Run) -> None:
    """ONNX's own inference takes an Attention of four dimensions and of three."""
    shapes = ("--shape", "1x2x3x4", "--shape", "1x3x8", "--shape", "1x3x8")
    _check_message(run("estimate", "manycore.occamy", "Attention", *shapes), 1, "--shape")


def test_costs_of_another_model_are_refused(run: Run, here: Path) -> None:
    onnx.save(MODELS["branches"].proto(), here / "other.onnx")
    run("profile", "other.onnx", "-o", "costs.json", "--no-cache")
    said = run("compile", "good.onnx", "-o", "x.plan", "--costs", "costs.json")
    _check_message(said, 1, "another model")


@pytest.mark.parametrize("output", ["no/such/folder/x.plan", "/proc/x.plan", "good.onnx/x.plan"])
def test_an_output_that_cannot_be_written_is_refused(run: Run, here: Path, output: str) -> None:
    _check_message(run("compile", "good.onnx", "-o", output, "--no-cache"), 1, "cannot be written")


def test_a_full_disk_leaves_the_old_plan(here: Path) -> None:
    """A limit on the size of files stands in for the full disk."""
    (here / "x.plan").write_text("the old plan")
    weights = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    graph = onnx.parser.parse_graph("g (float[1,64] x) => (float[1,64] y) { y = MatMul(x, w) }")
    graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    opset = onnx.helper.make_opsetid("", 21)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10)
    onnx.save(model, here / "big.onnx")
    before = sorted(here.iterdir())
    done = subprocess.run(
        [*COMMAND, "compile", "big.onnx", "-o", "x.plan", "--no-cache"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert done.returncode == 1, done.stderr
    assert "cannot be written" in done.stderr
    assert (here / "x.plan").read_text() == "the old plan"
    assert sorted(here.iterdir()) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(here: Path, number: signal.Signals) -> None:
    _save_what_runs_long(here / "long.onnx")
    before = sorted(here.iterdir())
    process = subprocess.Popen(
        [*COMMAND, "compile", "long.onnx", "-o", "x.plan", "--no-cache"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=here,
    )
    _wait_for_scratch(here, before)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    assert sorted(here.iterdir()) == before


def _save_what_runs_long(path: Path) -> None:
    """A run takes a tenth of a second and more, so that measuring takes seconds."""
    names = ["x", *(f"v{layer}" for layer in range(16))]
    nodes = [
        onnx.helper.make_node("MatMul", [read, "w"], [written]) for read, written in pairwise(names)
    ]
    float32 = onnx.TensorProto.FLOAT
    borders = [
        onnx.helper.make_tensor_value_info(name, float32, [256, 1024])
        for name in (names[0], names[-1])
    ]
    weights = onnx.numpy_helper.from_array(np.eye(1024, dtype=np.float32), "w")
    graph = onnx.helper.make_graph(nodes, "long", borders[:1], borders[1:], [weights])
    opset = onnx.helper.make_opsetid("", 21)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10), path)


def _wait_for_scratch(folder: Path, before: list[Path]) -> None:
    """Until the compile has begun to write working files."""
    for _ in range(600):
        if sorted(folder.iterdir()) != before:
            return
        time.sleep(0.1)
    pytest.fail("the compile never wrote anything")

"""`--shape` on the command line: variants, random inputs of other sizes, and mistakes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import onnx
import pytest

from stagecut.compiler.cli.options import parse_variants
from stagecut.compiler.ir.errors import ShapeError
from tests.support.command_line import Said, stagecut
from tests.support.onnx_models import MODELS

Run: TypeAlias = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return lambda *arguments: stagecut(capsys, monkeypatch, *arguments)


@pytest.fixture
def plan(run: Run, tmp_path: Path) -> Path:
    """Of ids [batch, seq] and scale [batch, ?], for two lengths."""
    onnx.save(MODELS["symbolic dimensions"].proto(), tmp_path / "x.onnx")
    path = tmp_path / "x.plan"
    shapes = ("--shape", "ids=2x5", "--shape", "ids=2x40", "--shape", "scale=2x3")
    done = run("compile", tmp_path / "x.onnx", "-o", path, *shapes, "--device", "cpu.serial")
    assert done.code == 0, done.err
    assert done.out.count("other shapes run, too") == 2
    return path


def _json(said: Said) -> Any:
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_several_shapes_make_several_variants(run: Run, plan: Path) -> None:
    for shape, sizes in (("ids=2x5", [2, 5]), ("ids=2x40", [2, 40])):
        document = _json(run("report", plan, "--shape", shape, "--json"))
        assert document["inputs"][0]["shape"] == sizes
        assert document["inputs"][0]["dims"] == ["batch", "seq"]
        other = "ids 2x40" if sizes == [2, 5] else "ids 2x5"
        assert document["other_variants"] == [f"{other}, scale 2x3"]
    said = run("report", plan).out
    assert "profiled at ids 2x5, scale 2x3; other shapes run, too" in said
    assert "1 other variant, for ids 2x40, scale 2x3: see --shape" in said


def test_diff_says_that_there_are_other_variants(run: Run, plan: Path) -> None:
    said = run("diff", plan, plan)
    assert (said.code, said.err) == (
        0,
        "only the first variants are compared: --shape names others\n",
    )
    assert run("diff", plan, plan, "--shape", "ids=2x40", "--shape", "scale=2x3").err == ""


def test_random_inputs_take_their_sizes_from_one_shape(run: Run, plan: Path) -> None:
    document = _json(run("run", plan, "--random", 0, "--shape", "ids=7x30", "--json"))
    assert document["shapes"] == {"ids": [7, 30], "scale": [7, 3]}
    assert document["profiled_shapes"] == {"ids": [2, 40], "scale": [2, 3]}
    assert document["outputs"]["y"]["shape"] == [7, 30]
    assert document["predicted_s"] is None
    assert document["observed_s"] is None
    said = run("run", plan, "--random", 0, "--shape", "ids=7x30")
    assert "not profiled at these shapes; the plan is that for ids 2x40, scale 2x3" in said.out


def test_profiled_shapes_are_compared_with_the_prediction(run: Run, plan: Path) -> None:
    document = _json(run("run", plan, "--random", 0, "--shape", "ids=2x40", "--json"))
    assert document["predicted_s"] > 0
    assert document["stages"][0]["observed_s"] > 0


def test_shapes_of_several_inputs_are_taken_in_order() -> None:
    assert parse_variants(["a=1", "b=2", "a=3", "c=9", "b=4"]) == [
        {"a": (1,), "b": (2,), "c": (9,)},
        {"a": (3,), "b": (4,), "c": (9,)},
    ]
    assert parse_variants(None) == [{}]
    with pytest.raises(ShapeError, match="input 'a' has 2 shapes, and another input has 3"):
        parse_variants(["a=1", "a=2", "b=1", "b=2", "b=3"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--shape", "ids=2x5"), "is for random inputs"),
        (("run", "--random", "0", "--shape", "no=1"), "there is no input 'no'"),
        (("run", "--random", "0", "--shape", "ids=2"), "has shape 2; the plan takes batchxseq"),
        (("run", "--random", "0", "--shape", "ids=1x2", "--shape", "ids=1x3"), "given twice"),
        (("report", "--shape", "ids=2x6"), "was not profiled with ids 2x6"),
    ],
)
def test_mistakes_are_told(run: Run, plan: Path, arguments: tuple[str, ...], message: str) -> None:
    command, *options = arguments
    done = run(command, plan, *options)
    assert done.code in {1, 2}
    assert message in done.err
    assert "Traceback" not in done.err

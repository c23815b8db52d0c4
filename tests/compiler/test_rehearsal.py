"""What is asked of devices before a compile measures anything."""

from itertools import count
from pathlib import Path

import onnx
import pytest

from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.rehearsal import Rehearsal, rehearse
from stagecut.passes.partition.restrict import Restrict, parse_rule
from tests.support.decoders import tiny_decoder
from tests.support.onnx_models import MODELS

NOTHING = Restrict((), ())


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model.onnx"
    onnx.save(MODELS["residual"].proto(), path)
    return str(path)


def _rehearsed(model: str, *devices: str, restrict: Restrict = NOTHING) -> Rehearsal:
    return rehearse(
        model,
        feeds=None,
        devices=devices,
        variants=[{}],
        granularity="cluster",
        restrict=restrict,
        clock=count().__next__,
    )


def test_who_takes_what(model: str) -> None:
    found = _rehearsed(model, "cpu.serial", "null:operators=MatMul")
    [part] = found.parts
    nodes = len(part.expanded.graph.nodes)
    assert part.takes("cpu.serial") == nodes
    assert 0 < part.takes("null") < nodes
    assert part.takes("null") + part.refuses("null").total() == nodes
    assert [path.name for path in part.paths] == ["cpu.serial"]
    assert (part.entry, [*found.engines]) == ("main", ["cpu.serial", "null"])
    assert found.read_s == 1  # by a clock that goes on by one whenever it is looked at


def test_rules_that_cannot_be_kept_are_told_at_once(model: str) -> None:
    with pytest.raises(StagecutError, match="no node and no operator matches"):
        _rehearsed(model, "cpu.serial", restrict=Restrict((parse_rule("nothing=cpu.serial"),), ()))


def test_a_decoder_is_asked_about_by_entry(tmp_path: Path) -> None:
    onnx.save(tiny_decoder(), tmp_path / "decoder.onnx")
    found = rehearse(
        str(tmp_path / "decoder.onnx"),
        feeds=None,
        devices=["cpu.serial"],
        variants=[{}],
        granularity="cluster",
        restrict=NOTHING,
    )
    assert [part.entry for part in found.parts] == ["prefill", "decode"]


def test_every_variant_is_asked_about(tmp_path: Path) -> None:
    onnx.save(MODELS["shape arithmetic"].proto(), tmp_path / "open.onnx")
    shapes = [{"x": (1, 4, 8)}, {"x": (2, 4, 8)}]
    found = rehearse(
        str(tmp_path / "open.onnx"),
        feeds=None,
        devices=["cpu.serial"],
        variants=shapes,
        granularity="cluster",
        restrict=NOTHING,
    )
    assert [part.shapes for part in found.parts] == shapes

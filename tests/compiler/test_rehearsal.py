"""What is asked of devices before a compile measures anything."""

from itertools import count
from pathlib import Path

import onnx
import pytest

from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CostTableError, StagecutError, UsageError
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.rehearsal import Rehearsal, rehearse
from stagecut.passes.partition.restrict import Restrict, parse_rule
from stagecut.passes.profile.synthetic import unmeasured
from tests.support import encoder_decoders
from tests.support.decoders import tiny_decoder
from tests.support.onnx_models import MODELS
from tests.support.products import nothing_to_quantise
from tests.support.scattered import expand

NOTHING = Restrict((), ())


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model.onnx"
    onnx.save(MODELS["residual"].proto(), path)
    return str(path)


def _rehearsed(
    model: str,
    *devices: str,
    restrict: Restrict = NOTHING,
    objective: str = "latency",
    costs: CostTable | None = None,
) -> Rehearsal:
    return rehearse(
        model,
        feeds=None,
        devices=devices,
        variants=[{}],
        granularity="cluster",
        restrict=restrict,
        objective=objective,
        costs=costs,
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


def test_the_prompt_of_an_answer_is_that_of_the_decoder(tmp_path: Path) -> None:
    path = tmp_path / "decoder.onnx"
    onnx.save(tiny_decoder(), path)
    found = _rehearsed(str(path), "cpu.serial", objective="generate:prompt=5,new=8")
    [prompt] = [each for each in found.parts[0].expanded.graph.inputs if each.name == "input_ids"]
    assert (prompt.shape, str(found.objective)) == ((1, 5), "latency")


def test_a_question_that_does_not_go_with_the_entries(tmp_path: Path) -> None:
    path = tmp_path / "decoder.onnx"
    onnx.save(tiny_decoder(), path)
    with pytest.raises(UsageError, match="a decoder does not stream"):
        _rehearsed(str(path), "cpu.serial", objective="throughput")
    expanded = expand(load_program(MODELS["residual"].proto()), ["cpu.serial"], "cluster")
    with pytest.raises(UsageError, match="tables for main, and entries prefill, decode"):
        _rehearsed(str(path), "cpu.serial", costs=unmeasured(expanded))


def test_a_table_is_of_the_model(model: str) -> None:
    def table(name: str) -> CostTable:
        return unmeasured(expand(load_program(MODELS[name].proto()), ["cpu.serial"], "cluster"))

    [part] = _rehearsed(model, costs=table("residual")).parts
    assert [device.name for device in part.expanded.machine.devices] == ["cpu.serial"]
    with pytest.raises(CostTableError, match="is for another model"):
        _rehearsed(model, costs=table("chain"))


def test_a_device_that_the_model_gives_nothing_to_do_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tanh.onnx"
    onnx.save(nothing_to_quantise(), path)
    [part] = _rehearsed(str(path), "cpu.serial", "cpu.int8.serial").parts
    assert part.takes("cpu.int8.serial") == 0
    assert [*part.refuses("cpu.int8.serial")] == ["the model has nothing to quantise"]


def test_the_encoder_beside_a_decoder_is_asked_about(tmp_path: Path) -> None:
    onnx.save(encoder_decoders.encoder(), tmp_path / "encoder.onnx")
    onnx.save(encoder_decoders.merged(), tmp_path / "decoder.onnx")
    found = rehearse(
        str(tmp_path / "decoder.onnx"),
        feeds=None,
        devices=["cpu.serial"],
        variants=[{"input_ids": (1, 4)}],
        granularity="cluster",
        restrict=NOTHING,
        decoding=DecodingOptions(encoder=tmp_path / "encoder.onnx", prompt=3, capacity=60),
    )
    assert [part.entry for part in found.parts] == ["encode", "prefill", "decode"]


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

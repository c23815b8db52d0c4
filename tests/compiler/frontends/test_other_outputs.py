"""Outputs that are no tensors are left out; only what is asked for of them is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper as h

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.frontends import load_program
from stagecut.compiler.ir.errors import FeedError, ModelError
from stagecut.runtime import Session
from tests.support.command_line import stagecut

X = np.ones((1, 2), np.float32)


def _map_of(name: str) -> onnx.ValueInfoProto:
    info = onnx.ValueInfoProto(name=name)
    mapped = info.type.sequence_type.elem_type.map_type
    mapped.key_type = T.INT64
    mapped.value_type.tensor_type.elem_type = T.FLOAT
    return info


def _classifier(*, labels: bool = True) -> onnx.ModelProto:
    """As skl2onnx writes them: what ends in a ZipMap, and a sequence of its own."""
    classify = h.make_node(
        "LinearClassifier",
        ["x"],
        ["label", "p"],
        domain="ai.onnx.ml",
        coefficients=[1.0, 2.0, -1.0, -2.0],
        intercepts=[0.0, 0.0],
        classlabels_ints=[0, 1],
    )
    zipped = h.make_node("ZipMap", ["p"], ["probs"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    both = h.make_node("SequenceConstruct", ["p", "p"], ["both"])
    outputs = [
        _map_of("probs"),
        h.make_tensor_sequence_value_info("both", T.FLOAT, None),
        h.make_tensor_value_info("label", T.INT64, [None]),
    ]
    graph = h.make_graph(
        [classify, zipped, both],
        "g",
        [h.make_tensor_value_info("x", T.FLOAT, ["n", 2])],
        outputs if labels else outputs[:2],
        value_info=[_map_of("probs")],
    )
    opsets = [h.make_opsetid("", 18), h.make_opsetid("ai.onnx.ml", 2)]
    return h.make_model(graph, opset_imports=opsets, ir_version=9)


def test_the_rest_runs() -> None:
    model = _classifier()
    before = model.SerializeToString()
    session = Session(compile_model(model, feeds={"x": X}, devices=["cpu.serial"]))
    assert model.SerializeToString() == before
    assert [port.name for port in session.get_outputs()] == ["label"]
    assert [found.tolist() for found in session.run(None, {"x": X})] == [[0]]
    assert session.run(["label"], {"x": -np.ones((3, 2), np.float32)})[0].tolist() == [1, 1, 1]
    with pytest.raises(FeedError, match=r"a sequence\(map\(int64, float\)\), which a plan") as told:
        session.run(["probs"], {"x": X})
    assert "the outputs are label" in told.value.fix
    with pytest.raises(FeedError, match=r"'both' is a sequence\(float\)"):
        session.run(["label", "both"], {"x": X})
    with pytest.raises(FeedError, match="there is no output 'z'"):
        session.run(["z"], {"x": X})


def test_the_command_says_what_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(_classifier(), tmp_path / "model.onnx")
    ran = stagecut(
        capsys, monkeypatch, "compile", tmp_path / "model.onnx", "-o", tmp_path / "x.plan",
        "--shape", "x=1x2", "--device", "cpu.serial", "--no-cache", "--effort", "quick",
    )  # fmt: skip
    assert ran.code == 0
    assert "left out: output probs, a sequence(map(int64, float))" in ran.err
    assert Plan.load(tmp_path / "x.plan").entry.left_out.keys() == {"probs", "both"}


def test_a_model_without_any_tensor_is_refused() -> None:
    with pytest.raises(ModelError, match="hands back no tensor: probs is a sequence") as told:
        load_program(_classifier(labels=False))
    assert "'zipmap': False" in told.value.fix


def test_so_is_one_without_any_output() -> None:
    model = _classifier()
    del model.graph.output[:]
    with pytest.raises(ModelError, match="hands back nothing"):
        load_program(model)


def test_maps_cannot_be_fed() -> None:
    model = _classifier()
    model.graph.input.append(_map_of("m"))
    with pytest.raises(ModelError, match=r"input m: its type is sequence\(map\(int64, float\)\)"):
        load_program(model)

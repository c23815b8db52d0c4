"""Inputs with a default: given or not, at compile time and at run time."""

from typing import Any

import numpy as np
import onnx
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.errors import FeedError
from stagecut.runtime import Session
from stagecut.runtime.feeds import random_feeds
from tests.support.onnx_models import TinyModel

SCALED = """<ir_version: {}, opset_import: ["": 18]>
    g (float[2] x, float[1] k) => (float[2] y) <float[1] k = {{3}}> {{ y = Mul(x, k) }}"""
X = np.ones(2, np.float32)


def _compiled(version: int = 8, **options: Any) -> Plan:
    model = onnx.parser.parse_model(SCALED.format(version))
    return compile_model(model, devices=["cpu.serial"], **options)


def _five() -> Any:
    return np.array([5], np.float32)


def test_one_that_was_asked_for_need_not_be_given(tmp_path: Any) -> None:
    plan = _compiled(feeds={"x": X, "k": _five()})
    plan.save(tmp_path / "x.plan")
    for session in (Session(plan), Session(tmp_path / "x.plan")):
        assert session.run(None, {"x": X})[0].tolist() == [3, 3]
        assert session.run(None, {"x": X, "k": _five()})[0].tolist() == [5, 5]
        assert [port.name for port in session.get_inputs()] == ["x"]
        assert [port.name for port in session.get_overridable_initializers()] == ["k"]
        assert [*random_feeds(session.planned.inputs, 0)] == ["x"]


def test_a_shape_asks_for_it_too() -> None:
    session = Session(_compiled(shapes={"k": (1,)}))
    assert session.run(None, {"x": X})[0].tolist() == [3, 3]
    assert session.run(None, {"x": X, "k": _five()})[0].tolist() == [5, 5]


def test_samples_need_not_be_given_for_it() -> None:
    session = Session(_compiled(feeds={"x": X}, shapes={"k": (1,)}))
    assert session.run(None, {"x": X, "k": _five()})[0].tolist() == [5, 5]


def test_one_that_nobody_asked_for_is_a_constant() -> None:
    session = Session(_compiled(feeds={"x": X}))
    assert session.get_overridable_initializers() == []
    assert session.run(None, {"x": X})[0].tolist() == [3, 3]
    with pytest.raises(FeedError, match="has a default, which is a constant of this plan"):
        session.run(None, {"x": X, "k": _five()})


def test_before_version_4_there_are_none() -> None:
    """Nor does ONNX Runtime know k as an input there."""
    with pytest.raises(FeedError, match="no such input"):
        _compiled(3, feeds={"x": X, "k": _five()})
    with pytest.raises(FeedError, match="there is no input 'k'"):
        Session(_compiled(3)).run(None, {"x": X, "k": _five()})


def test_defaults_of_texts_and_of_open_shapes() -> None:
    model = TinyModel(
        """g (string[2] x, string[n] k, bfloat16[1] b) => (string[m] y, float[1] c)
        <string[1] k = {"é"}, bfloat16[1] b = {2}>
        { y = StringConcat(x, k)  c = Cast<to = 1>(b) }""",
        {},
    ).proto()
    x = np.array(["a", "b"], object)
    feeds = {"x": x, "k": np.array(["c", "d"], object)}
    session = Session(compile_model(model, feeds=feeds, devices=["cpu.serial"]))
    assert session.run(["y"], {"x": x})[0].tolist() == ["aé", "bé"]
    assert session.run(["y"], feeds)[0].tolist() == ["ac", "bd"]

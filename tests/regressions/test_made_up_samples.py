"""A model that does not run on the ones that are made up for it: it was not checked, and devices
that run it were taken for broken."""

from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.answers import Answers
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.errors import SampleError
from stagecut.compiler.profiling import profile_model
from stagecut.runtime import Session

QUICK = Settings(effort="quick")

#: A table of one row, a larger one that is counted from 3, and a number that only scales.
TWO = onnx.parser.parse_model(
    """<ir_version: 10, opset_import: ["": 21]>
    g (int64[3] row, int64[3] count, int64[3] scale) => (float[3] y)
      <float[1] one = {3}, float[2] two = {1, 2}, int64 first = {3}>
    { a = Gather(one, row)  at = Sub(count, first)  b = Gather(two, at)
      sum = Add(a, b)  by = Cast<to = 1>(scale)  y = Mul(sum, by) }"""
)
FEEDS = {"row": np.zeros(3, np.int64), "count": np.array([4, 3, 4]), "scale": np.full(3, 5)}

#: How many rows there are depends on the numbers.
OPEN = onnx.parser.parse_model(
    """<ir_version: 10, opset_import: ["": 21]>
    g (int64[3] row) => (float[n] y) <float[1] table = {3}>
    { a = Gather(table, row)  b = NonZero(a)  c = Squeeze(b)  y = Cast<to = 1>(c) }"""
)
NEVER = onnx.parser.parse_model(
    """<ir_version: 10, opset_import: ["": 21]>
    g (int64[3] row) => (float[3] y) <float[2] table = {3, 4}, int64 first = {100}>
    { at = Sub(row, first)  a = Gather(table, at)  y = Relu(a) }"""
)


def test_it_is_compiled_with_others() -> None:
    plan = compile_model(TWO, devices=["cpu.serial", "cpu.parallel"], settings=QUICK)
    planned = plan.first.planned
    assert not planned.workarounds
    assert planned.checks is not None
    assert [(port.low, port.high) for port in planned.inputs] == [(0, 0), (1, 1), (0, 0)]
    [y] = Session(plan).run(None, FEEDS)
    assert y.tolist() == [25, 20, 25]


def test_so_it_is_profiled() -> None:
    assert not profile_model(TWO, devices=["cpu.serial"], settings=QUICK).faults


def test_and_where_shapes_depend_on_data() -> None:
    plan = compile_model(OPEN, devices=["cpu.serial"], settings=QUICK)
    assert plan.first.planned.checks is not None
    assert Session(plan).run(None, {"row": np.zeros(3, np.int64)})[0].tolist() == [0, 1, 2]


def test_a_second_compile_need_not_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(effort="quick", cache=tmp_path, load=lambda: None)
    compile_model(TWO, devices=["cpu.serial"], settings=settings)
    monkeypatch.delattr(Answers, "runs_on")
    compile_model(TWO, devices=["cpu.serial"], settings=settings)


def test_where_none_of_them_runs_it_is_told() -> None:
    pytest.importorskip("openvino", reason="OpenVINO runs it, whatever comes of it")
    devices = ["cpu.serial", "openvino.f32.serial"]
    plan = compile_model(NEVER, devices=devices, settings=QUICK)
    told = plan.first.planned.workarounds
    assert any("the inputs were made up (row): give samples" in each for each in told)


def test_samples_that_were_given_stay() -> None:
    rows = {"row": np.ones(3, np.int64)}
    with pytest.raises(SampleError, match="on the sample inputs"):
        compile_model(OPEN, feeds=rows, devices=["cpu.serial"], settings=QUICK)

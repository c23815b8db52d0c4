"""A small model whose inputs may be stacked, and compiles that find batches faster, always."""

from types import SimpleNamespace

import pytest

from stagecut.compiler import batches as batches_module
from stagecut.compiler.batch_race import Race, Runner
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.one_by_one import OneByOne
from stagecut.compiler.whole_replicas import Replicas

HEADER = '<ir_version: 10, opset_import: ["": 21]>\n'
ROWS = """rows (float[batch,4] x) => (float[batch,3] y)
    <float[4,3] w = {1,2,3,4,5,6,7,8,9,10,11,12}>
    { xw = MatMul(x, w)  y = Tanh(xw) }"""


def let_larger_be_faster(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each size takes less time by input than the one before; noted is what was tried."""
    tried: list[int] = []

    def run(measurements: Measurements, *_: object) -> Replicas:
        tried.append(len(measurements.program.feeds["x"]))
        period_s = 1e-12 / tried[-1]
        names = dict.fromkeys(measurements.context.backends, period_s)
        return Replicas(StreamRun(1, 1, period_s, (period_s,)), names, names)

    def race(alone: Runner, together: Runner) -> Race:
        return Race(alone.planned.shipped, together.planned.shipped, (0.5,))

    monkeypatch.setattr(batches_module, "whole_replicas", run)
    monkeypatch.setattr(batches_module, "LEAST_S", 0.0)
    monkeypatch.setattr("stagecut.compiler.variant_batches.raced", race)
    return tried


def let_single_inputs_take(period_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each of their turns."""
    alone = SimpleNamespace(period_s=lambda: period_s)
    monkeypatch.setattr(OneByOne, "of", lambda *_: alone)

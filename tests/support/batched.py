"""A small model whose inputs may be stacked, and compiles that find batches faster, always."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stagecut.compiler import batches as batches_module
from stagecut.compiler.batches import with_batches
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.measurements import Measurements

HEADER = '<ir_version: 10, opset_import: ["": 21]>\n'
ROWS = """rows (float[batch,4] x) => (float[batch,3] y)
    <float[4,3] w = {1,2,3,4,5,6,7,8,9,10,11,12}>
    { xw = MatMul(x, w)  y = Tanh(xw) }"""


def let_larger_be_faster(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replicas of the whole take as long for a batch as for one input; noted is what was tried."""
    tried: list[int] = []

    def run(measurements: Measurements, *_: object) -> StreamRun:
        tried.append(len(measurements.program.feeds["x"]))
        return StreamRun(1, 1, 1e-12, (1e-12,), 1e-12)

    def faster(
        planned: PlannedVariant, batched: PlannedVariant, size: int, limits: Sequence[Limit]
    ) -> PlannedVariant:
        shipped = batched.shipped
        fast = replace(shipped, median_s=1e-12, high_s=1e-12, low_s=1e-12, min_s=1e-12)
        return with_batches(planned, replace(batched, contenders=(fast,)), size, limits)

    monkeypatch.setattr(batches_module, "whole_replicas", run)
    monkeypatch.setattr(batches_module, "LEAST_S", 0.0)
    monkeypatch.setattr("stagecut.compiler.question.is_faster", lambda *_: True)
    monkeypatch.setattr("stagecut.compiler.question.with_batches", faster)
    return tried

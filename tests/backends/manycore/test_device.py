"""A many-core device and its plans."""

import numpy as np
import pytest

from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Value
from tests.support.manycore import manycore
from tests.support.nodes import sample

LINEAR = sample(
    "(float[4, 64] x) => (float[4, 64] y) { h = MatMul(x, w) y = Gelu(h) }",
    w=np.ones((64, 64), np.float32),
)


def test_weights_take_their_bytes_in_the_memory() -> None:
    for precision, number in (("fp64", 8), ("fp8", 1)):
        estimate = manycore(f"manycore.snitch16:precision={precision}").estimate(LINEAR.node)
        assert estimate.weight_bytes == 64 * 64 * number
        assert estimate.load_s > 0


def test_what_does_not_fit_is_not_supported() -> None:
    small = manycore("manycore.snitch16:capacity_bytes=2097152")
    large = sample(
        "(float[1, 1024] x) => (float[1, 1024] y) { y = MatMul(x, w) }",
        w=np.ones((1024, 1024), np.float32),
    )
    assert small.supports(LINEAR.node)
    assert "its weights take 8.00 MiB (8388608 bytes)" in small.supports(large.node).reason
    assert manycore("manycore.snitch16:capacity_bytes=2097152,precision=fp16").supports(large.node)


def test_transfers_depend_on_the_precision() -> None:
    value = Value("x", "float32", (1000, 1000))
    wide, narrow = (
        manycore(f"manycore.snitch16:precision={precision}").links[0].estimate(value)
        for precision in ("fp64", "fp8")
    )
    assert wide is not None
    assert narrow is not None
    assert wide.run_s > 7 * narrow.run_s


def test_the_precision_is_the_device_s() -> None:
    precisions = {
        precision: manycore(f"manycore.snitch16:precision={precision}").device.precision
        for precision in ("fp64", "fp32", "fp16", "fp8")
    }
    assert precisions == {"fp64": "f64", "fp32": "f32", "fp16": "f16", "fp8": "f8"}


def test_a_stage_with_an_operator_that_has_no_kernel_is_refused() -> None:
    case = sample("(float[4, 64] x) => (float[4, 64] y) { y = Relu(x) }")
    with pytest.raises(EngineError, match="has no kernel"):
        manycore("manycore.snitch16").prepare(case.stage)

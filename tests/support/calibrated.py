"""Products and convolutions, with the ranges of their own numbers."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from stagecut import backends
from stagecut.backends.quantised import products
from stagecut.compiler.formats.node_ranges import put_ranges, range_of
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.onnx_runtime import ort
from tests.support.nodes import Sample, sample
from tests.support.quantised import as_in_a_plan, in_few_bits

_rng = np.random.default_rng(0)


def weights(*shape: int) -> Tensor:
    return _rng.standard_normal(shape).astype(np.float32)


def ranged(case: Sample) -> Sample:
    """With the ranges of its own numbers."""
    model = case.stage.model
    every = [value for node in model.graph for value in node.outputs]
    wanted = ir.Model(model.graph.clone(), ir_version=10)
    by_name = {str(value.name): value for node in wanted.graph for value in node.outputs}
    wanted.graph.outputs[:] = [by_name[str(value.name)] for value in every]
    session = ort.InferenceSession(
        ir.to_proto(wanted).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    feeds = dict(zip([value.name for value in case.stage.inputs], case.feeds(), strict=True))
    written = zip(by_name, map(np.asarray, session.run([*by_name], feeds)), strict=True)
    ranges = {name: range_of(array) for name, array in (*feeds.items(), *written)}
    put_ranges(model, {name: each for name, each in ranges.items() if each is not None})
    return case


CASES = {
    "a product": ranged(
        sample("(float[7, 40] x) => (float[7, 24] y) { y = MatMul(x, w) }", w=weights(40, 24))
    ),
    "one with a bias and a turned weight": ranged(
        sample(
            "(float[7, 40] x) => (float[7, 24] y) { y = Gemm <transB = 1> (x, w, b) }",
            w=weights(24, 40),
            b=weights(24),
        )
    ),
    "convolutions with an activation between": ranged(
        sample(
            "(float[1, 16, 9, 9] x) => (float[1, 8, 7, 7] y) "
            "{ h = Conv <pads = [1, 1, 1, 1]> (x, w, b) r = Relu(h) y = Conv(r, v) }",
            w=weights(32, 16, 3, 3) / 12,
            b=weights(32),
            v=weights(8, 32, 3, 3) / 12,
        )
    ),
    "one for each channel, with strides": ranged(
        sample(
            "(float[2, 12, 9, 9] x) => (float[2, 12, 4, 4] y) "
            "{ h = Conv <group = 12, strides = [2, 2]> (x, w, b) y = Clip(h, low, high) }",
            w=weights(12, 1, 3, 3),
            b=weights(12),
            low=np.array(0, np.float32),
            high=np.array(6, np.float32),
        )
    ),
    "along one axis": ranged(
        sample("(float[1, 8, 20] x) => (float[1, 5, 18] y) { y = Conv(x, w) }", w=weights(5, 8, 3))
    ),
    "a way around a convolution": ranged(
        sample(
            "(float[1, 16, 9, 9] x) => (float[1, 16, 9, 9] y) "
            "{ s = Add(x, x) r = Relu(s) h = Conv(r, w) y = Add(h, r) }",
            w=weights(16, 16, 1, 1),
        )
    ),
    "a product that reads what a convolution does": ranged(
        sample(
            "(float[1, 16, 9, 9] x) => (float[1, 16, 9, 9] y) "
            "{ s = Add(x, x) r = Relu(s) p = MatMul(r, v) h = Conv(r, w) a = Add(h, r) "
            "y = Add(a, p) }",
            w=weights(16, 16, 1, 1),
            v=weights(9, 9),
        )
    ),
    "two that read the same, and one reads both": ranged(
        sample(
            "(float[1, 16, 9, 9] x) => (float[1, 8, 9, 9] y, float[1, 8, 9, 9] h) "
            "{ h = Conv(x, w) g = Conv(x, v) s = Add(h, g) y = Relu(s) }",
            w=weights(8, 16, 1, 1),
            v=weights(8, 16, 1, 1),
        )
    ),
}


def check_near(spec: str, case: Sample) -> None:
    """What the device computes is near the reference, and not the same."""
    feeds = case.feeds()
    outputs = backends.create(spec).prepare(case.stage)(feeds)
    for found, right in zip(outputs, case.reference(feeds), strict=True):
        off = np.linalg.norm(found - right) / np.linalg.norm(right)
        assert 0 < off < 0.03


def check_stored(spec: str, case: Sample, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the device stores computes the same, in memory and from a plan's files, holds weights in
    few bits, and is not quantised again."""
    device, feeds = backends.create(spec), case.feeds()
    expected = device.prepare(case.stage)(feeds)
    held = backends.stored(device, case.stage)
    read = as_in_a_plan(held, folder)
    names = {"w", "v"} & {*case.stage.model.graph.initializers}
    assert in_few_bits(held) == in_few_bits(read) == names
    monkeypatch.setattr(products, "_written", None)
    for stage in (held, read):
        for found, right in zip(device.prepare(stage)(feeds), expected, strict=True):
            np.testing.assert_array_equal(found, right)
    for name in names:
        array = read.weight(name)
        assert array.shape == case.stage.weight(name).shape
        assert np.abs(array - case.stage.weight(name)).max() < 0.05

"""Stages as a plan stores them: they compute the same, and preparing them quantises nothing."""

from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.backends.quantised import products
from stagecut.backends.quantised.scheme import Scheme
from stagecut.backends.quantised.store import stored
from tests.support.nodes import Sample, sample
from tests.support.quantised import as_in_a_plan, in_few_bits

_rng = np.random.default_rng(3)
W = _rng.standard_normal((64, 128)).astype(np.float32)
V = _rng.standard_normal((128, 64)).astype(np.float32)
B = _rng.standard_normal(128).astype(np.float32)
CASE = sample(
    "(float[3, 64] x) => (float[3, 128] y) "
    "{ h = MatMul(x, w) g = Relu(h) f = MatMul(g, v) y = Gemm <transB = 1> (f, t, b) }",
    w=W,
    v=V,
    t=W.T.copy(),
    b=B,
)
#: Rows that are no whole blocks.
UNEVEN = sample("(float[3, 40] x) => (float[3, 128] y) { y = MatMul(x, w) }", w=W[:40])

SPECS = (
    "cpu.int8.serial",
    "cpu.int4.serial",
    "cpu.int4.serial:block=64,activations=f32",
    "cpu.int8-dynamic.serial",
    "openvino.int8.serial",
    "openvino.int4.serial",
    "openvino.int4.serial:block=64,activations=f32",
)


@pytest.mark.parametrize("spec", SPECS)
def test_what_is_stored_computes_the_same_and_is_not_quantised_again(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if spec.startswith("openvino"):
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    device, feeds = backends.create(spec), CASE.feeds()
    expected = device.prepare(CASE.stage)(feeds)
    held = backends.stored(device, CASE.stage)
    assert in_few_bits(held) == {"w", "v", "t"}
    read = as_in_a_plan(held, tmp_path)
    assert in_few_bits(read) == {"w", "v", "t"}
    monkeypatch.setattr(products, "_written", None)
    for stage in (held, read):
        for found, right in zip(device.prepare(stage)(feeds), expected, strict=True):
            np.testing.assert_array_equal(found, right)
    assert (tmp_path / "weights.bin").stat().st_size < W.nbytes


@pytest.mark.parametrize("spec", ["cpu.int8.serial", "cpu.int4.serial", "openvino.int8.serial"])
def test_rows_that_are_no_whole_blocks(spec: str, tmp_path: Path) -> None:
    if spec.startswith("openvino"):
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    device, feeds = backends.create(spec), UNEVEN.feeds()
    read = as_in_a_plan(backends.stored(device, UNEVEN.stage), tmp_path)
    assert in_few_bits(read) == {"w"}
    [found], [right] = device.prepare(read)(feeds), device.prepare(UNEVEN.stage)(feeds)
    np.testing.assert_array_equal(found, right)


def test_a_device_in_full_precision_computes_with_the_numbers_that_they_stand_for() -> None:
    held = stored(CASE.stage, Scheme(8, 128))
    feeds = CASE.feeds()
    [found] = backends.create("cpu.serial").prepare(held)(feeds)
    [right] = backends.create("cpu.serial").prepare(CASE.stage)(feeds)
    assert 0 < np.linalg.norm(found - right) < 0.02 * np.linalg.norm(right)


TWICE = {
    "another operator reads it, too": sample(
        "(float[3, 64] x) => (float[3, 128] y) { h = MatMul(x, w) s = ReduceSum(w) y = Add(h, s) }",
        w=W,
    ),
    "another product reads it turned": sample(
        "(float[3, 64] x) => (float[3, 64] y) { h = MatMul(x, w) y = Gemm <transB = 1> (h, w) }",
        w=W,
    ),
}


def test_a_weight_that_would_be_no_smaller_stays_in_full() -> None:
    case = sample("(float[3, 16] x) => (float[3, 128] y) { y = MatMul(x, w) }", w=W[:16])
    assert not in_few_bits(stored(case.stage, Scheme(8, 128)))
    assert in_few_bits(stored(case.stage, Scheme(8, 16))) == {"w"}


@pytest.mark.parametrize("case", TWICE.values(), ids=TWICE.keys())
def test_a_weight_that_is_needed_otherwise_is_there_twice(
    case: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, feeds = backends.create("cpu.int4.serial"), case.feeds()
    expected = device.prepare(case.stage)(feeds)
    held = backends.stored(device, case.stage)
    assert "w/int4" in in_few_bits(held)
    assert "w" in held.model.graph.initializers
    monkeypatch.setattr(products, "_written", None)
    for found, right in zip(device.prepare(held)(feeds), expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_two_products_that_read_a_weight_alike_share_it() -> None:
    case = sample(
        "(float[3, 64] x, float[2, 64] z) => (float[3, 128] y, float[2, 128] u) "
        "{ y = MatMul(x, w) u = MatMul(z, w) }",
        w=W,
    )
    assert in_few_bits(stored(case.stage, Scheme(4, 32))) == {"w"}


def test_the_stage_that_was_given_stays_as_it_is() -> None:
    stored(CASE.stage, Scheme(4, 32))
    assert not in_few_bits(CASE.stage)
    plain = backends.create("cpu.serial")
    assert backends.stored(plain, CASE.stage) is CASE.stage

"""OpenVINO's products with weights in few bits, beside ONNX Runtime's with the same numbers."""

import numpy as np
import pytest

pytest.importorskip("openvino", reason="OpenVINO is an extra")

from stagecut import backends
from stagecut.backends.openvino.compressed import compressed
from stagecut.backends.quantised import products
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.measure.environment import instruction_sets
from tests.support.nodes import Sample, sample

W = np.random.default_rng(0).standard_normal((64, 96)).astype(np.float32)
SHARED = sample(
    "(float[3, 64] x, float[5, 96] z) => (float[3, 96] y, float[5, 64] u) "
    "{ y = MatMul(x, w) u = Gemm <transB = 1> (z, w) }",
    w=W,
)
UNEVEN = sample("(float[3, 40] x) => (float[3, 24] y) { y = MatMul(x, w) }", w=W[:40, :24])


def _off(spec: str, case: Sample = SHARED) -> list[float]:
    feeds = case.feeds()
    found = backends.create(spec).prepare(case.stage)(feeds)
    pairs = zip(found, case.reference(feeds), strict=True)
    return [float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs]


#: With the same weights in full activations, engines differ by roundings alone.
SAME = {
    "int4": ("openvino.int4.serial:activations=f32", "cpu.int4.serial:activations=f32"),
    "int4, larger blocks": (
        "openvino.int4.serial:activations=f32,block=64",
        "cpu.int4.serial:activations=f32,block=64",
    ),
}


@pytest.mark.parametrize(("theirs", "ours"), SAME.values(), ids=SAME.keys())
def test_weights_are_those_of_the_other_engine(theirs: str, ours: str) -> None:
    case = sample("(float[3, 64] x) => (float[3, 96] y) { y = MatMul(x, w) }", w=W)
    feeds = case.feeds()
    one, other = (backends.create(spec).prepare(case.stage)(feeds)[0] for spec in (theirs, ours))
    np.testing.assert_allclose(one, other, rtol=0, atol=0.01 * np.abs(other).max())
    assert _off(theirs, case)[0] > 0.01


@pytest.mark.parametrize("spec", ["openvino.int8", "openvino.int8.serial", "openvino.int4"])
def test_both_readings_of_a_weight_are_quantised(spec: str) -> None:
    for off in _off(spec):
        assert 1e-4 < off < 0.15


def test_int8_is_nearer_than_int4_and_full_activations_nearer_still() -> None:
    coarse, fine, finer = (
        max(_off(f"openvino.{each}"))
        for each in ("int4.serial", "int8.serial", "int8.serial:activations=f32")
    )
    assert finer <= fine < coarse
    # OpenVINO quantises activations with AVX-512 or VNNI; with AVX2 alone both are the same
    narrow = {"avx512f", "avx_vnni", "amx_int8"}.isdisjoint(instruction_sets())
    assert (finer == fine) == narrow


def test_a_weight_of_several_products_is_quantised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    case = sample(
        "(float[3, 64] x, float[5, 64] z, float[2, 96] v) => "
        "(float[3, 96] y, float[5, 96] u, float[2, 64] t) "
        "{ y = MatMul(x, w) u = MatMul(z, w) t = Gemm <transB = 1> (v, w) }",
        w=W,
    )
    run: list[tuple[int, ...]] = []

    def counted(matrix: Tensor, scheme: Scheme) -> tuple[Tensor, Tensor] | None:
        run.append(matrix.shape)
        return written(matrix, scheme)

    written = products._written
    monkeypatch.setattr(products, "_written", counted)
    found = compressed(case.stage, Scheme(4, 32))
    assert {*found["w"].few} == {False, True}
    assert run == [(64, 96), (96, 64)]


def test_rows_that_are_no_whole_blocks_stay_as_they_are() -> None:
    scheme = Scheme(4, 32, whole_blocks=True)
    assert [*compressed(SHARED.stage, scheme)] == ["w"]
    assert not compressed(UNEVEN.stage, scheme)
    assert max(_off("openvino.int4.serial", UNEVEN)) < 1e-5


def test_the_device_says_which_products_those_are() -> None:
    device = backends.create("openvino.int4.serial")
    assert backends.quantises(device, SHARED.node)
    assert not backends.quantises(device, UNEVEN.node)
    assert backends.quantises(backends.create("openvino.int8.serial"), UNEVEN.node)
    assert not backends.quantises(backends.create("openvino.f32.serial"), SHARED.node)


def test_devices_of_one_precision_compute_the_same() -> None:
    names = {
        spec: backends.create(spec).device.precision
        for spec in ("openvino.int8", "openvino.int8.serial", "cpu.int8.serial", "openvino.int4")
    }
    assert names["openvino.int8"] == names["openvino.int8.serial"] == "int8-weights"
    assert len({*names.values()}) == 3


def test_options_that_make_no_sense() -> None:
    for spec in ("openvino.int8:block=32", "openvino.int4:block=7", "openvino.f32:activations=f32"):
        with pytest.raises(DeviceError):
            backends.create(spec)

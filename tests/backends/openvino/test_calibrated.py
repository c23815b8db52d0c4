"""OpenVINO's products and convolutions of integers by the ranges of samples."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("openvino", reason="OpenVINO is an extra")

from stagecut import backends
from stagecut.backends.openvino import engine
from stagecut.backends.quantised import sums
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.formats.node_ranges import Range, put_ranges
from stagecut.compiler.ir.errors import DeviceError
from tests.support.calibrated import CASES, check_near, check_stored, ranged, weights
from tests.support.nodes import Sample, sample
from tests.support.quantised import as_in_a_plan

NAME = "openvino.int8-static.serial"
SCHEME = Scheme.of("int8-static", NAME, {}, narrow=sums.sums_are_narrow())

#: What OpenVINO says that it computes in.
_INTEGERS = {"i8", "u8"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_outputs_are_near_those_of_the_reference(case: Sample) -> None:
    for spec in (NAME, "openvino.int8-static"):
        check_near(spec, case)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_stored_computes_the_same_and_is_not_quantised_again(
    case: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_stored(NAME, case, tmp_path, monkeypatch)


def test_products_and_convolutions_are_of_integers() -> None:
    for name in ("convolutions with an activation between", "a product"):
        stage = CASES[name].stage
        made = engine.prepare(stage, 1, "f32", pin=False, scheme=SCHEME)
        ran = [
            node.get_rt_info()["runtimePrecision"].astype(str)
            for node in made._compiled.get_runtime_model().get_ops()
            if node.get_rt_info()["layerType"].astype(str)
            in {"Convolution", "MatMul", "FullyConnected"}
        ]
        assert ran
        assert {*ran} <= _INTEGERS


def test_weights_large_enough_to_lie_beside_the_model(tmp_path: Path) -> None:
    case = ranged(
        sample("(float[7, 80] x) => (float[7, 64] y) { y = MatMul(x, w) }", w=weights(80, 64))
    )
    device, feeds = backends.create(NAME), case.feeds()
    [right] = case.reference(feeds)
    for stage in (case.stage, as_in_a_plan(backends.stored(device, case.stage), tmp_path)):
        [found] = device.prepare(stage)(feeds)
        assert 0 < np.linalg.norm(found - right) / np.linalg.norm(right) < 0.03


def test_sums_of_large_products_do_not_saturate() -> None:
    """Where a CPU adds two products of uint8 and int8 in 16 bits, 2 x 255 x 127 would."""
    x, w = np.full((4, 64), 2.0, np.float32), np.ones((64, 32), np.float32)
    case = sample("(float[4, 64] x) => (float[4, 32] y) { y = MatMul(x, w) }", w=w)
    put_ranges(case.stage.model, {"x": Range(0, 2)})
    for bits in ("7",) if sums.sums_are_narrow() else ("7", "8"):
        [found] = backends.create(f"{NAME}:weights={bits}").prepare(case.stage)([x])
        np.testing.assert_allclose(found, 128.0, rtol=1e-3)


def test_a_product_whose_range_nobody_knows_stays_in_full() -> None:
    case = sample("(float[3, 40] x) => (float[3, 24] y) { y = MatMul(x, w) }", w=weights(40, 24))
    [found] = backends.create(NAME).prepare(case.stage)(case.feeds())
    np.testing.assert_allclose(found, case.reference(case.feeds())[0], rtol=1e-4, atol=1e-4)


def test_it_asks_for_the_ranges_that_it_needs() -> None:
    case = CASES["convolutions with an activation between"]
    ours, theirs = (backends.create(name) for name in (NAME, "cpu.int8-static.serial"))
    assert backends.ranged(ours, case.node) == backends.ranged(theirs, case.node) != ()
    for name in ("openvino.int8.serial", "openvino.f32.serial"):
        assert backends.ranged(backends.create(name), case.node) == ()


@pytest.mark.parametrize(("sets", "bits"), [(("avx2",), "7"), (("avx2", "avx512_vnni"), "8")])
def test_weights_are_as_the_cpu_adds(
    sets: tuple[str, ...], bits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "instruction_sets", lambda: sets)
    assert backends.canonical_spec(NAME) == f"{NAME}:weights={bits}"
    assert backends.canonical_spec("openvino.int8.serial") == "openvino.int8.serial"
    described = "OpenVINO on the CPU in int8-static, 1 thread"
    assert backends.create(NAME).device.description == described


def test_weights_of_8_bits_are_refused_where_their_sums_would_be_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sums, "instruction_sets", lambda: ("avx2",))
    with pytest.raises(DeviceError, match=r"(?s)16.*weights=7"):
        backends.create(f"{NAME}:weights=8")


@pytest.mark.parametrize("option", ["block=32", "activations=f32", "weights=6"])
def test_options_of_others_are_refused(option: str) -> None:
    with pytest.raises(DeviceError, match=option.partition("=")[0]):
        backends.create(f"{NAME}:{option}")

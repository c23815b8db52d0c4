"""Products and convolutions of integers by the ranges of samples: right, and really of integers."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut import backends
from stagecut.backends.cpu import engine
from stagecut.backends.quantised import sums
from stagecut.backends.quantised.quantise import quantised
from stagecut.backends.quantised.scheme import Scheme
from stagecut.backends.quantised.store import stored
from stagecut.compiler.formats.node_ranges import Range, put_ranges
from stagecut.compiler.onnx_runtime import ort
from tests.support.calibrated import CASES, check_near, check_stored, ranged, weights
from tests.support.nodes import Sample, sample
from tests.support.quantised import as_in_a_plan, in_few_bits

SCHEME = Scheme.of("int8-static", "cpu.int8-static.serial", {})
NARROW = Scheme.of("int8-static", "cpu.int8-static.serial", {"weights": "7"})


@pytest.mark.parametrize("bits", ["7", "8"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_outputs_are_near_those_of_the_reference(case: Sample, bits: str) -> None:
    check_near(f"cpu.int8-static.serial:weights={bits}", case)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_stored_computes_the_same_and_is_not_quantised_again(
    case: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_stored("cpu.int8-static.serial", case, tmp_path, monkeypatch)


@pytest.mark.parametrize("scheme", [SCHEME, NARROW], ids=["8 bits", "7 bits"])
def test_onnx_runtime_makes_operators_of_integers_of_it(scheme: Scheme, tmp_path: Path) -> None:
    case = CASES["convolutions with an activation between"]
    found = _optimised(case, scheme, tmp_path)
    assert found["QLinearConv"] == 2
    assert not found["Relu"]
    both = _optimised(CASES["two that read the same, and one reads both"], scheme, tmp_path)
    assert both["QLinearConv"] == 2
    assert both["QuantizeLinear"] == 1
    for name in ("a product", "one with a bias and a turned weight"):
        assert _optimised(CASES[name], scheme, tmp_path)["MatMulIntegerToFloat"] == 1


def _optimised(case: Sample, scheme: Scheme, folder: Path) -> Counter[str]:
    stage, _ = quantised(case.stage, scheme)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 4
    model = ir.to_proto(stage.model).SerializeToString()
    without = [*engine._KEPT_APART]
    ort.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=without
    )
    return Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)


@pytest.mark.parametrize("small", [1e-3, 1e-6, 1e-7, 1e-9, 1e-30, 0.0])
def test_a_bias_is_kept_beside_weights_of_any_size(small: float, tmp_path: Path) -> None:
    """In steps of tiny weights it would be more of them than there is room for."""
    w = weights(4, 3, 3, 3) / 5
    w[1] *= np.float32(small)
    case = ranged(
        sample(
            "(float[1, 3, 8, 8] x) => (float[1, 4, 6, 6] y) { y = Conv(x, w, b) }",
            w=w,
            b=np.array([0.1, 1.0, 0.2, 0.0], np.float32),
        )
    )
    [right] = case.reference(case.feeds())
    step = float(np.ptp(right)) / 255
    device = backends.create("cpu.int8-static.serial")
    [found] = device.prepare(case.stage)(case.feeds())
    np.testing.assert_allclose(found[:, 1], right[:, 1], atol=step)
    assert np.linalg.norm(found - right) < 0.03 * np.linalg.norm(right)
    held = as_in_a_plan(backends.stored(device, case.stage), tmp_path)
    [again] = device.prepare(held)(case.feeds())
    np.testing.assert_array_equal(again, found)


def test_sums_of_large_products_do_not_saturate() -> None:
    """Where a CPU adds two products of uint8 and int8 in 16 bits, 2 x 255 x 127 would."""
    x, w = np.full((4, 64), 2.0, np.float32), np.ones((64, 32), np.float32)
    case = sample("(float[4, 64] x) => (float[4, 32] y) { y = MatMul(x, w) }", w=w)
    put_ranges(case.stage.model, {"x": Range(0, 2)})
    for bits in (7, 8):
        device = backends.create(f"cpu.int8-static.serial:weights={bits}")
        [found] = device.prepare(case.stage)([x])
        np.testing.assert_allclose(found, 128.0, rtol=1e-3)


def test_a_product_whose_range_nobody_knows_stays_in_full() -> None:
    case = sample("(float[3, 40] x) => (float[3, 24] y) { y = MatMul(x, w) }", w=weights(40, 24))
    stage, kept = quantised(case.stage, SCHEME)
    assert stage is case.stage
    assert not kept
    assert not in_few_bits(stored(case.stage, SCHEME))


def test_the_device_asks_for_the_ranges_that_it_needs() -> None:
    case = CASES["convolutions with an activation between"]
    assert backends.ranged(backends.create("cpu.int8-static.serial"), case.node) == (
        *("x", "h", "r", "r", "y"),
    )
    for name in ("cpu.int8-dynamic.serial", "cpu.serial", "null"):
        assert backends.ranged(backends.create(name), case.node) == ()


@pytest.mark.parametrize(
    ("sets", "bits"),
    [(("avx2",), "7"), (("avx2", "avx512f"), "7"), (("avx2", "avx_vnni"), "8"), ((), "8")],
)
def test_weights_have_7_bits_where_the_cpu_has_no_wide_sums(
    sets: tuple[str, ...], bits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "instruction_sets", lambda: sets)
    assert backends.canonical_spec("cpu.int8-static.serial").endswith(f":weights={bits}")
    assert backends.canonical_spec("cpu.int8-static.serial:weights=8").endswith(":weights=8")
    assert backends.canonical_spec("cpu.int8.serial") == "cpu.int8.serial"


def test_weights_of_8_bits_are_multiplied_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = [], engine._session

    def session(*given: Any, exact: bool, **others: Any) -> ort.InferenceSession:
        asked.append(exact)
        return real(*given, exact=exact, **others)

    monkeypatch.setattr(engine, "_session", session)
    case = CASES["a product"]
    for scheme in (SCHEME, NARROW, Scheme(8, None), Scheme(8, 128), None):
        engine.prepare(case.stage, engine.Threads(1), scheme)
    assert asked == [True, False, True, False, False]

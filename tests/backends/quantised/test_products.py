"""Which products of a stage are found, the numbers that the tools make of their weights, and that
those in use are made once."""

import numpy as np
import pytest
from onnx import numpy_helper

from stagecut import backends
from stagecut.backends.quantised import products
from stagecut.backends.quantised.products import quantised_matrix, targets
from stagecut.backends.quantised.scheme import PRECISIONS, Scheme
from stagecut.compiler.formats.node_ranges import Range, put_ranges
from stagecut.compiler.formats.quantised_tensor import QuantisedMatrix, QuantisedTensor
from stagecut.compiler.ir.device import Tensor
from tests.support.nodes import sample
from tests.support.quantised import quantised_tensor, tools_own_model

W = np.random.default_rng(0).standard_normal((40, 24)).astype(np.float32)
SCHEME = Scheme.of("int4", "cpu.int4.serial", {})


def test_a_weight_is_as_the_product_reads_it() -> None:
    stage = sample(
        "(float[3, 40] x, float[5, 24] z, float[24, 2] v) => "
        "(float[3, 24] y, float[5, 40] u, float[3, 2] t) "
        "{ y = MatMul(x, w) u = Gemm <transB = 1> (z, w) t = MatMul(y, v) }",
        w=W,
    ).stage
    plain, turned = targets(stage.model.graph, SCHEME)
    assert (plain.name, plain.turned, turned.name, turned.turned) == ("w", False, "w", True)
    np.testing.assert_array_equal(plain.weight, W)
    np.testing.assert_array_equal(turned.weight, W.T)


@pytest.mark.parametrize("device", ["cpu.int4", "cpu.int8", "cpu.int8-dynamic", "openvino.int4"])
def test_equal_numbers_of_another_shape_are_another_weight(device: str) -> None:
    if device.startswith("openvino"):
        pytest.importorskip("openvino", reason="OpenVINO is an extra")
    case = sample(
        "(float[3, 64] x) => (float[3, 64] y) { h = MatMul(x, w) y = MatMul(h, v) }",
        w=np.full((64, 96), 0.5, np.float32),
        v=np.full((96, 64), 0.5, np.float32),
    )
    feeds = case.feeds()
    [found] = backends.create(f"{device}.serial").prepare(case.stage)(feeds)
    [expected] = case.reference(feeds)
    assert np.linalg.norm(found - expected) < 0.15 * np.linalg.norm(expected)


def _matrix(weight: Tensor, scheme: Scheme) -> QuantisedMatrix:
    rows, columns = weight.shape
    text = f"(float[2, {rows}] x) => (float[2, {columns}] y) {{ y = MatMul(x, w) }}"
    model = sample(text, w=weight).stage.model
    put_ranges(model, {"x": Range(-1, 1)})
    [target] = targets(model.graph, scheme)
    return quantised_matrix(target, scheme)


def test_equal_weights_in_use_are_quantised_once() -> None:
    first = _matrix(W, SCHEME)
    assert _matrix(W.copy(), SCHEME) is first
    assert _matrix(W.T, SCHEME) is not first
    assert _matrix(W, Scheme(4, 32, "f32")) is first
    assert _matrix(W, Scheme(4, 64)) is not first


@pytest.mark.parametrize("precision", PRECISIONS)
def test_they_are_the_weight_but_for_roundings(precision: str) -> None:
    """Of rows that are no whole number of blocks."""
    weight = np.random.default_rng(0).standard_normal((72, 24)).astype(np.float32)
    matrix = _matrix(weight, Scheme.of(precision, precision, {}))
    found = matrix.integers()
    step = np.abs(np.repeat(found.scales, found.block, axis=0)[:72])
    parts = 1.001 if precision == "int4" else 0.501  # it cuts the side with a step less
    assert (np.abs(matrix.numpy() - weight) <= parts * step + 1e-6).all()
    assert matrix.form.bits == (4 if precision == "int4" else 8)


def test_weights_of_7_bits_are_others_and_smaller() -> None:
    wide, narrow = (
        _matrix(W, Scheme.of("int8-static", "d", {"weights": bits})).integers().values
        for bits in "87"
    )
    assert np.abs(narrow).max() <= 64 < np.abs(wide).max()


@pytest.mark.parametrize("turned", [False, True])
def test_a_weight_that_is_in_few_bits_is_taken_as_it_is(
    turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = quantised_tensor("w", turned=turned)
    op = "Gemm <transB = 1>" if turned else "MatMul"
    text = f"(float[2, 40] x) => (float[2, 24] y) {{ y = {op} (x, w) }}"
    stage = sample(text, w=np.array(held.numpy())).stage
    stage.model.graph.initializers["w"].const_value = held
    [target] = targets(stage.model.graph, SCHEME)
    monkeypatch.setattr(products, "_written", None)
    assert quantised_matrix(target, SCHEME) is held.matrix
    monkeypatch.undo()
    assert quantised_matrix(target, Scheme(8, 128)).form.bits == 8


def test_weights_of_8_bits_are_none_of_7() -> None:
    """Whose sums of two products would exceed 16 bits."""
    wide, narrow = (Scheme.of("int8-dynamic", "d", {"weights": bits}) for bits in "87")
    held = {
        scheme: QuantisedTensor("w", _matrix(W, scheme), turned=False) for scheme in (wide, narrow)
    }
    text = "(float[2, 40] x) => (float[2, 24] y) { y = MatMul (x, w) }"
    for scheme, tensor in held.items():
        stage = sample(text, w=W).stage
        stage.model.graph.initializers["w"].const_value = tensor
        [target] = targets(stage.model.graph, narrow)
        found = quantised_matrix(target, narrow)
        assert (found is tensor.matrix) == (scheme is narrow)
        assert np.abs(found.integers().values).max() <= 64


@pytest.mark.parametrize("narrow", [False, True])
def test_columns_are_those_of_the_tools_own_model(narrow: bool) -> None:
    weight = W.copy()
    weight[:, 3] = 0.0  # whose scale is 1
    weight[:, 4] *= 1e-30
    weight[:, 5] = np.linspace(-127, 127, 40) / 2 + 0.25  # ties
    scheme = Scheme(8, None, narrow=narrow)
    theirs = tools_own_model(weight, scheme).graph.initializer
    values, scales = (
        next(numpy_helper.to_array(each) for each in theirs if each.name.endswith(end))
        for end in ("_quantized", "_scale")
    )
    found = _matrix(weight, scheme)
    np.testing.assert_array_equal(found.values.numpy(), values)
    np.testing.assert_array_equal(found.scales.numpy(), scales.reshape(-1))

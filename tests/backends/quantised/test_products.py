"""Which products of a stage are found, and that those in use are made once."""

import numpy as np
import pytest

from stagecut import backends
from stagecut.backends.quantised.products import product, targets
from stagecut.backends.quantised.scheme import Scheme
from tests.support.nodes import sample

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


def test_equal_weights_in_use_are_quantised_once() -> None:
    first = product(W, SCHEME, "one")
    assert product(W.copy(), SCHEME, "other") is first
    assert product(W.T, SCHEME, "turned") is not first

"""Which products of a stage are found, and that those in use are made once."""

import numpy as np

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


def test_equal_weights_in_use_are_quantised_once() -> None:
    first = product(W, SCHEME, "one")
    assert product(W.copy(), SCHEME, "other") is first
    assert product(W.T, SCHEME, "turned") is not first

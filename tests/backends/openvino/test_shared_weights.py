"""The memory of a stage's weights: what OpenVINO reads where it lies is kept, and nothing else."""

import numpy as np
import pytest

pytest.importorskip("openvino", reason="OpenVINO is an extra")

import openvino as ov

from stagecut import backends
from stagecut.backends.openvino.compressed import Reading, compressed
from stagecut.backends.openvino.library import core
from stagecut.backends.openvino.shared_weights import beside_model, put_in, without_weights
from stagecut.backends.quantised.scheme import Scheme
from tests.support.nodes import Sample, sample

W = np.random.default_rng(0).standard_normal((64, 96)).astype(np.float32)
SCHEMES = {"int8": Scheme(8, None), "int4": Scheme(4, 32)}
#: For each of the scheme's blocks of 32 rows, or for all, a float32 scale; two int4 in a byte.
FEW_BYTES = {"int8": 64 * 96 + 96 * 4, "int4": 64 * 96 // 2 + 2 * 96 * 4}

BY_PRODUCTS = sample(
    "(float[3, 64] x, float[5, 64] z) => (float[3, 96] y, float[5, 96] u) "
    "{ y = MatMul(x, w) u = MatMul(z, w) }",
    w=W,
)
BY_OTHERS_TOO = sample(
    "(float[3, 64] x, float[64, 96] z) => (float[3, 96] y, float[64, 96] u) "
    "{ y = MatMul(x, w) u = Mul(z, w) }",
    w=W,
)
TURNED_TOO = sample(
    "(float[3, 64] x, float[5, 96] z) => (float[3, 96] y, float[5, 64] u) "
    "{ y = MatMul(x, w) u = Gemm <transB = 1> (z, w) }",
    w=W,
)


def _put_in(case: Sample, scheme: Scheme) -> tuple[ov.Model, list[object]]:
    """With what is kept."""
    few = compressed(case.stage, scheme)
    weights = beside_model(case.stage.model, few)
    model = core().read_model(without_weights(case.stage, weights, {}))
    return model, put_in(model, weights, few)


def _arrays(kept: list[object]) -> dict[int, int]:
    """Address -> bytes."""
    arrays = [each for each in kept if isinstance(each, np.ndarray)]
    for each in kept:
        if isinstance(each, Reading):
            arrays += [each.values, each.scales]
    return {array.ctypes.data: array.nbytes for array in arrays}


def _addresses(model: ov.Model) -> set[int]:
    """Where the constants lie, but for shapes."""
    constants = [each for each in model.get_ops() if each.get_type_name() == "Constant"]
    return {each.data.ctypes.data for each in constants if each.data.size > 2}


@pytest.mark.parametrize("bits", SCHEMES)
def test_a_weight_that_products_alone_read_is_kept_in_few_bits_only(bits: str) -> None:
    model, kept = _put_in(BY_PRODUCTS, SCHEMES[bits])
    assert len(_addresses(model)) == 2, "the numbers and the scales, once for both products"
    assert _addresses(model) <= _arrays(kept).keys()
    assert sum(_arrays(kept).values()) == FEW_BYTES[bits]


@pytest.mark.parametrize("bits", SCHEMES)
def test_a_weight_that_others_read_too_is_kept_in_full_as_well(bits: str) -> None:
    model, kept = _put_in(BY_OTHERS_TOO, SCHEMES[bits])
    assert len(_addresses(model)) == 3
    assert _addresses(model) <= _arrays(kept).keys()
    assert sum(_arrays(kept).values()) == FEW_BYTES[bits] + W.nbytes


@pytest.mark.parametrize("bits", SCHEMES)
def test_stages_in_use_together_share_what_they_read_of_a_weight(bits: str) -> None:
    (one, kept), (other, kept_by_other) = (
        _put_in(case, SCHEMES[bits]) for case in (BY_PRODUCTS, TURNED_TOO)
    )
    assert _addresses(one) < _addresses(other), "the other has it turned, too"
    assert len(_addresses(other)) == 4
    assert _addresses(one) <= _arrays(kept).keys()
    assert _addresses(other) <= _arrays(kept_by_other).keys()


@pytest.mark.parametrize("bits", SCHEMES)
def test_both_readings_come_out(bits: str) -> None:
    feeds = BY_OTHERS_TOO.feeds()
    found = backends.create(f"openvino.{bits}.serial").prepare(BY_OTHERS_TOO.stage)(feeds)
    product, factors = BY_OTHERS_TOO.reference(feeds)
    assert np.linalg.norm(found[0] - product) < 0.15 * np.linalg.norm(product)
    np.testing.assert_array_equal(found[1], factors)

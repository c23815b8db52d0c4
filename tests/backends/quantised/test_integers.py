"""The numbers that the tools write, against the weight in full."""

import numpy as np
import pytest

from stagecut.backends.quantised.integers import integers
from stagecut.backends.quantised.products import product
from stagecut.backends.quantised.scheme import PRECISIONS, Scheme

#: Of rows that are no whole number of blocks.
W = np.random.default_rng(0).standard_normal((72, 24)).astype(np.float32)
BITS = {"int8": 8, "int4": 4, "int8-dynamic": 8}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_they_are_the_weight_but_for_roundings(precision: str) -> None:
    found = integers(product(W, Scheme.of(precision, precision, {}), "it"))
    assert found.values.dtype == np.int8
    assert found.values.shape == W.shape
    rows = np.arange(len(W)) // found.block
    assert found.scales.shape == (rows[-1] + 1, W.shape[1])
    step = np.abs(found.scales[rows])
    parts = 1.001 if precision == "int4" else 0.501  # it cuts the side with a step less
    assert (np.abs(found.values * found.scales[rows] - W) <= parts * step + 1e-6).all()
    most = 1 << (BITS[precision] - 1)
    assert -most <= found.values.min() < found.values.max() < most


def test_engines_may_take_them_where_they_lie() -> None:
    for precision in PRECISIONS:
        found = integers(product(W, Scheme.of(precision, precision, {}), "it"))
        for array in (found.values, found.scales):
            assert array.flags.c_contiguous
            assert array.flags.writeable

"""Products by ONNX Runtime, against numpy's in double precision."""

import numpy as np
import pytest

from stagecut.backends.matmul import multiplier


@pytest.mark.parametrize("rows", [1, 3])
def test_a_product_is_numpys(rows: int) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((rows, 40)), rng.standard_normal((40, 7))
    product = multiplier(right.astype(np.float32))(left.astype(np.float32))
    np.testing.assert_allclose(product, left @ right, rtol=1e-4, atol=1e-5)

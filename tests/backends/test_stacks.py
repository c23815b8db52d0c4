"""Products of stacks beside numpy's own, which broadcasts as ONNX does."""

import numpy as np
import pytest

from stagecut.backends.stacks import batched, flat
from stagecut.compiler.ir.device import Tensor

SHAPES = {
    "matrices": ((3, 4), (4, 5)),
    "stacks": ((2, 3, 4), (2, 4, 5)),
    "one matrix for a stack": ((2, 3, 4), (4, 5)),
    "each with each": ((2, 1, 3, 4), (6, 4, 5)),
    "a row": ((4,), (2, 4, 5)),
    "a column": ((2, 3, 4), (4,)),
}


@pytest.mark.parametrize(("one", "other"), SHAPES.values(), ids=SHAPES.keys())
def test_a_product_is_given_stacks_of_as_many(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal(one), rng.standard_normal(other)

    def product(lefts: Tensor, rights: Tensor) -> Tensor:
        assert lefts.ndim == rights.ndim == 3
        assert len(lefts) == len(rights)
        return np.asarray(np.einsum("nri,nio->nro", lefts, rights))

    found, wanted = batched(product, left, right), left @ right
    assert (
        found.shape == (np.atleast_2d(left) @ right.reshape(*other, *[1] * (2 - right.ndim))).shape
    )
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted)


def test_flat_stacks_lie_in_one_piece() -> None:
    turned = np.arange(12.0).reshape(1, 3, 4).swapaxes(1, 2)
    found = flat(turned, (2, 5))
    assert found.shape == (10, 4, 3)
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found[7], turned[0])

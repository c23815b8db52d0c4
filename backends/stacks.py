"""Products of stacks of matrices, as ONNX's MatMul broadcasts them."""

from collections.abc import Callable

import numpy as np

from stagecut.compiler.ir.device import Tensor


def batched(product: Callable[[Tensor, Tensor], Tensor], one: Tensor, other: Tensor) -> Tensor:
    """[..., rows, inner] by [..., inner, outer] -> [..., rows, outer], where `product` is given
    [n, rows, inner] and [n, inner, outer]. A vector is one row on the left, one column on the
    right."""
    left = one[None] if one.ndim == 1 else one
    right = other[:, None] if other.ndim == 1 else other
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    result = product(flat(left, lead), flat(right, lead))
    return result.reshape(*lead, left.shape[-2], right.shape[-1])


def flat(array: Tensor, lead: tuple[int, ...]) -> Tensor:
    """[..., rows, columns] as [n, rows, columns], broadcast to the leading dimensions."""
    whole = np.broadcast_to(array, (*lead, *array.shape[-2:]))
    return np.ascontiguousarray(whole.reshape(-1, *array.shape[-2:]))

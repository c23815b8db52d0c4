"""Tensors become numpy arrays and come back with the same numbers, in the same memory."""

import numpy as np
import pytest
import torch

from stagecut.runtime.adapters.torch_arrays import array_of, tensor_of

DTYPES = (
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.int8,
    torch.uint16,
    torch.bool,
)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 4)], ids=str)
def test_there_and_back(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = torch.ones(shape).to(dtype)
    array = array_of(tensor)
    back = tensor_of(array)
    assert array.shape == shape
    assert back.dtype == dtype
    assert back.data_ptr() == tensor.data_ptr()
    assert torch.equal(back.float(), tensor.float())
    np.testing.assert_array_equal(array.astype(np.float32), np.ones(shape))


def test_what_does_not_lie_in_order_is_copied() -> None:
    tensor = torch.arange(6.0).reshape(2, 3).T
    array = array_of(tensor)
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, tensor.numpy())


def test_a_weight_that_wants_gradients_is_only_read() -> None:
    assert array_of(torch.ones(2, requires_grad=True)).tolist() == [1, 1]

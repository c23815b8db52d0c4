"""Tensors as numpy arrays and back, without copying their numbers."""

import numpy as np
import torch
from onnx_ir.tensor_adapters import from_torch_dtype

from stagecut.compiler.ir.device import Tensor

#: Types that numpy itself lacks, with those of ml_dtypes that stand for them.
_LACKING = {
    dtype: np.dtype(from_torch_dtype(dtype).numpy())
    for dtype in (
        torch.bfloat16,
        torch.float8_e4m3fn,
        torch.float8_e4m3fnuz,
        torch.float8_e5m2,
        torch.float8_e5m2fnuz,
    )
}
_IN_TORCH = {ours: theirs for theirs, ours in _LACKING.items()}

#: What their numbers are passed on as.
_BITS = {1: (torch.uint8, np.dtype(np.uint8)), 2: (torch.int16, np.dtype(np.int16))}


def array_of(tensor: torch.Tensor) -> Tensor:
    """The numbers of `tensor`; only where they do not lie in order they are copied."""
    plain = tensor.detach().contiguous()
    lacking = _LACKING.get(plain.dtype)
    if lacking is None:
        array: Tensor = plain.numpy()
        return array
    return plain.view(_BITS[lacking.itemsize][0]).numpy().view(lacking)


def tensor_of(array: Tensor) -> torch.Tensor:
    """A tensor in the memory of `array`, which must be writeable."""
    dtype = _IN_TORCH.get(array.dtype)
    if dtype is None:
        return torch.from_numpy(array)
    return torch.from_numpy(array.view(_BITS[dtype.itemsize][1])).view(dtype)

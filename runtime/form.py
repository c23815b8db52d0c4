"""What is known of a value before it is there: its type and its shape, as a model declares them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.graph import fits
from stagecut.compiler.ir.text import size_text


@dataclass(frozen=True, slots=True)
class Form:
    """`dtype` and `shape` are None where they are not known, or not the same in every run; then
    `dims` may still have some of the sizes, with None for those that are open."""

    name: str
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] | None = None
    dims: tuple[int | None, ...] | None = None
    strings: bool = False

    def misfit(self, tensor: object) -> str:
        """What is wrong with `tensor` in the place of this value; empty where nothing is."""
        if type(tensor) is not np.ndarray:
            return f"{self.name} is a {type(tensor).__name__}, not a numpy array"
        if self.strings and tensor.dtype.kind not in "OUS":
            return f"{self.name} has type {tensor.dtype}, and holds strings in the model"
        if self.dtype is not None and tensor.dtype != self.dtype:
            return f"{self.name} has type {tensor.dtype}, and {self.dtype} in the model"
        shape = tensor.shape
        if shape == self.shape or self.dims is None or fits(self.dims, shape):
            return ""
        expected = size_text(["?" if dim is None else dim for dim in self.dims])
        return f"{self.name} has shape {size_text(shape)}, and {expected} in the model"


#: An array, of whatever type and shape.
ANY = Form("the value")


def form_of(value: ir.Value) -> Form:
    """The form of an output of a model."""
    name = value.name or ""
    if not isinstance(value.type, ir.TensorType):
        return Form(name)
    strings = value.type.dtype == ir.DataType.STRING
    dtype = None if strings else np.dtype(value.type.dtype.numpy())
    if value.shape is None:
        return Form(name, dtype, strings=strings)
    dims = tuple(dim if isinstance(dim, int) else None for dim in value.shape)
    sizes = tuple(dim for dim in dims if dim is not None)
    return Form(name, dtype, sizes if len(sizes) == len(dims) else None, dims, strings)

"""A weight that lies in a file which is open and mapped: read in place, never by a path."""

import hashlib
import math
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

_Array = npt.NDArray[Any]


class MappedTensor(ir.ExternalTensor):
    """The tensor at `offset` of `region`, the mapped contents of the data file called `location`.

    Written as ONNX it is a reference into that file, whose name is never looked up: engines are
    given the `region` itself. `sha256` is of its bytes, where that is known from writing them.
    """

    def __init__(
        self,
        region: memoryview,
        location: str,
        offset: int,
        dtype: ir.DataType,
        shape: ir.Shape,
        name: str,
        sha256: str | None = None,
    ) -> None:
        length = math.ceil(dtype.itemsize * math.prod(shape.numpy()))
        super().__init__(location, offset, length, dtype, shape=shape, name=name)
        self.region = region
        self.sha256 = sha256

    @property
    def data(self) -> memoryview:
        """Its bytes in the file. Whoever writes to them changes them for this process alone."""
        start = self.offset or 0
        return self.region[start : start + (self.length or 0)]

    def in_memory(self) -> ir.TensorProtocol:
        """The same numbers, which are not copied, as a tensor that belongs to no file."""
        shape = self.shape.numpy()
        if self.dtype.bitwidth < 8:
            packed = np.frombuffer(self.data, np.uint8)
            return ir.PackedTensor(packed, self.dtype, shape=shape, name=self.name)
        array = np.frombuffer(self.data, self.dtype.numpy()).reshape(shape)
        array.flags.writeable = False
        return ir.Tensor(array, self.dtype, shape=ir.Shape(shape), name=self.name)

    def numpy(self) -> _Array:
        array: _Array = self.in_memory().numpy()
        return array

    def __array__(self, dtype: Any = None) -> _Array:
        return self.numpy().__array__(dtype)

    def tobytes(self) -> bytes:
        return bytes(self.data)

    def tofile(self, file: IO[bytes]) -> None:
        file.write(self.data)


def sha256(tensor: ir.TensorProtocol) -> str:
    """Of the bytes of any tensor; those of one that lies in a file are looked at once, when they
    are written."""
    known = tensor.sha256 if isinstance(tensor, MappedTensor) else None
    return known or hashlib.sha256(tensor.tobytes()).hexdigest()

"""Map the weights that an ONNX model keeps in other files, each file once.

onnx_ir would map the file anew, and hold a file descriptor, for every tensor: a model of a
thousand weights runs out of descriptors.
"""

from collections.abc import Iterator
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from stagecut.compiler.ir.errors import ModelError

_Bytes = npt.NDArray[np.uint8]


def map_external_data(model: ir.Model, file: Path) -> None:
    """Replace the external tensors of `model`, read from `file`, by views of their data files.

    Raises ModelError when a data file is missing, too short, or outside the model's folder.
    """
    files = _DataFiles(file)
    for graph in model.graphs():
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                value.const_value = files.view(value.const_value)
        for node, attribute in _tensor_attributes(graph):
            tensor = attribute.as_tensor()
            if isinstance(tensor, ir.ExternalTensor):
                node.attributes.add(ir.AttrTensor(attribute.name, files.view(tensor)))


def _tensor_attributes(graph: ir.Graph) -> Iterator[tuple[ir.Node, ir.Attr]]:
    for node in graph:
        for attribute in tuple(node.attributes.values()):
            if attribute.type == ir.AttributeType.TENSOR and not attribute.is_ref():
                yield node, attribute


class _DataFiles:
    """The data files of one model, mapped when first needed.

    A location that leads out of the model's folder is refused: a model from elsewhere must not
    read this machine's other files. A symbolic link may also lead to the folder where the model
    itself really lies, as in the Hugging Face cache.
    """

    def __init__(self, model: Path) -> None:
        self._model = model
        self._mapped: dict[Path, _Bytes] = {}

    def view(self, tensor: ir.ExternalTensor) -> ir.TensorProtocol:
        """`tensor` with its numbers read from the mapped file."""
        where = f"{self._model}: weight {tensor.name}"
        path = self._locate(PurePath(tensor.location), where)
        data = self._map(path, where)
        start = tensor.offset or 0
        if tensor.length not in (None, tensor.nbytes):
            raise ModelError(
                f"takes {tensor.length} bytes of {path.name}, but its shape needs {tensor.nbytes}",
                where=where,
                fix="export the model again",
            )
        if not 0 <= start <= start + tensor.nbytes <= data.size:
            raise ModelError(
                f"ends at byte {start + tensor.nbytes} of {path.name}, which has only {data.size}",
                where=where,
                fix="the file is truncated or another model's: copy or download it again",
            )
        return _as_tensor(tensor, data[start : start + tensor.nbytes])

    def _locate(self, location: PurePath, where: str) -> Path:
        folder = self._model.parent
        path = (folder / location).resolve()
        roots = (folder.resolve(), self._model.resolve().parent)
        escapes = location.is_absolute() or ".." in location.parts
        if escapes or not any(path.is_relative_to(root) for root in roots):
            raise ModelError(
                f"its data file {str(location)!r} lies outside the model's folder",
                where=where,
                fix="put the data file beside the model, under the name the model gives it",
            )
        return path

    def _map(self, path: Path, where: str) -> _Bytes:
        if path not in self._mapped:
            try:
                size = path.stat().st_size
                data = np.memmap(path, np.uint8, "r") if size else np.empty(0, np.uint8)
            except OSError as error:
                raise ModelError(
                    f"its data file {path.name!r} cannot be read: {error.strerror}",
                    where=where,
                    fix=f"put {path.name} into {path.parent}, beside the model",
                ) from error
            self._mapped[path] = data.view(np.ndarray)
        return self._mapped[path]


def _as_tensor(tensor: ir.ExternalTensor, data: _Bytes) -> ir.TensorProtocol:
    if tensor.dtype.bitwidth < 8:
        return ir.PackedTensor(data, tensor.dtype, shape=tensor.shape, name=tensor.name)
    array = data.view(tensor.dtype.numpy()).reshape(tensor.shape.numpy())
    return ir.Tensor(array, tensor.dtype, shape=tensor.shape, name=tensor.name)

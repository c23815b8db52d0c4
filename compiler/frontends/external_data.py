"""Map the weights that an ONNX model keeps in other files, each file once.

onnx_ir would map the file anew, and hold a file descriptor, for every tensor: a model of a
thousand weights runs out of descriptors.
"""

from pathlib import Path, PurePath

import onnx_ir as ir

from stagecut.compiler.formats.kept_file import KeptFile
from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.formats.model_tensors import tensors
from stagecut.compiler.ir.errors import ModelError


def map_external_data(model: ir.Model, file: Path) -> None:
    """Replace the external tensors of `model`, read from `file`, by views of their data files.

    Raises ModelError when a data file is missing, too short, or outside the model's folder.
    """
    files = _DataFiles(file)
    for kept in tensors(model):
        if isinstance(kept.tensor, ir.ExternalTensor):
            kept.replace(files.view(kept.tensor))


class _DataFiles:
    """The data files of one model, mapped when first needed.

    A location that leads out of the model's folder is refused: a model from elsewhere must not
    read this machine's other files. A symbolic link may also lead to the folder where the model
    itself really lies, as in the Hugging Face cache.
    """

    def __init__(self, model: Path) -> None:
        self._model = model
        self._mapped: dict[Path, memoryview] = {}

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
        if not 0 <= start <= start + tensor.nbytes <= len(data):
            raise ModelError(
                f"ends at byte {start + tensor.nbytes} of {path.name}, which has only {len(data)}",
                where=where,
                fix="the file is truncated or another model's: copy or download it again",
            )
        shape = ir.Shape(tensor.shape.numpy())
        name = tensor.name or ""
        return MappedTensor(data, path.name, start, tensor.dtype, shape, name).in_memory()

    def _locate(self, location: PurePath, where: str) -> Path:
        folder = self._model.parent
        try:
            path = (folder / location).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, or a zero byte
            raise ModelError(
                f"its data file {str(location)!r} is no file: {error}",
                where=where,
                fix="put the data file beside the model, under the name the model gives it",
            ) from error
        roots = (folder.resolve(), self._model.resolve().parent)
        escapes = location.is_absolute() or ".." in location.parts
        if escapes or not any(path.is_relative_to(root) for root in roots):
            raise ModelError(
                f"its data file {str(location)!r} lies outside the model's folder",
                where=where,
                fix="put the data file beside the model, under the name the model gives it",
            )
        return path

    def _map(self, path: Path, where: str) -> memoryview:
        if path not in self._mapped:
            try:
                self._mapped[path] = KeptFile(path).mapped
            except OSError as error:
                raise ModelError(
                    f"its data file {path.name!r} cannot be read: {error.strerror}",
                    where=where,
                    fix=f"put {path.name} into {path.parent}, beside the model",
                ) from error
        return self._mapped[path]

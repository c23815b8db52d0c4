"""The weights of a model, once, in one file that engines can map in place.

Weights with equal bytes are stored once. Small ones stay inside the stages' ONNX models, because
engines want the constants that shapes depend on at hand.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import onnx_ir as ir

from stagecut.compiler.formats.archive import writing

#: The member of a plan that holds them, and the location that the stages' ONNX models name.
FILE_NAME = "weights.bin"

#: Weights below this stay inside the ONNX models.
_SMALLEST_BYTES = 1024

#: Enough for any vector register.
_ALIGNMENT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a weight lies in the file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file that holds a model's weights, and perhaps others'.

    `places` are the model's, by initializer name; `sha256` is of its weights in their order.
    """

    path: Path
    places: Mapping[str, Place]
    sha256: str

    def refer(self, graph: ir.Graph) -> None:
        """Let the large weights of `graph`, the model or a part of it, lie in this file."""
        for name, value in graph.initializers.items():
            if value.const_value is not None:
                value.const_value = self._tensor(name, value.const_value)

    def _tensor(self, name: str, like: ir.TensorProtocol) -> ir.TensorProtocol:
        """The weight called `name` as a tensor in this file; `like` itself where it is small."""
        place = self.places.get(name)
        if place is None:
            return like
        return ir.ExternalTensor(
            self.path.name,
            place.offset,
            place.length,
            like.dtype,
            shape=ir.Shape(like.shape.numpy()),
            name=name,
            base_dir=self.path.parent,
        )


def write_weights(models: Sequence[ir.Model], folder: Path) -> tuple[WeightFile, ...]:
    """Write the large initializers of all `models` to one new file in `folder`, in graph order."""
    stored: dict[bytes, Place] = {}
    path = folder / FILE_NAME
    with writing(path), path.open("wb") as file:
        return tuple(_written(model, file, stored, path) for model in models)


def _written(model: ir.Model, file: BinaryIO, stored: dict[bytes, Place], path: Path) -> WeightFile:
    """Append what `stored` does not have yet."""
    places: dict[str, Place] = {}
    total = hashlib.sha256()
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor is None or not _belongs_in_file(tensor):
            continue
        data = tensor.tobytes()
        digest = hashlib.sha256(data).digest()
        total.update(digest)
        if digest not in stored:
            file.write(bytes(-file.tell() % _ALIGNMENT_BYTES))
            stored[digest] = Place(file.tell(), len(data))
            file.write(data)
        places[name] = stored[digest]
    return WeightFile(path, places, total.hexdigest())


def _belongs_in_file(tensor: ir.TensorProtocol) -> bool:
    return tensor.dtype != ir.DataType.STRING and tensor.nbytes >= _SMALLEST_BYTES

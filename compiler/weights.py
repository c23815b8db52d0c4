"""The weights of a program, once, in one file that engines can map in place.

Weights with equal bytes are stored once. Small ones stay inside the stages' ONNX models, because
engines want the constants that shapes depend on at hand.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from stagecut.compiler.archive import writing
from stagecut.compiler.program import Program

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
    """A file of weights; `places` by initializer name, `sha256` of all of it."""

    path: Path
    places: Mapping[str, Place]
    sha256: str

    def tensor(self, name: str, like: ir.TensorProtocol) -> ir.TensorProtocol:
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


def write_weights(program: Program, folder: Path) -> WeightFile:
    """Write the large initializers of `program` to a new file in `folder`, in graph order."""
    places: dict[str, Place] = {}
    stored: dict[bytes, Place] = {}
    path = folder / FILE_NAME
    total = hashlib.sha256()
    with writing(path), path.open("wb") as file:
        for name, value in program.model.graph.initializers.items():
            tensor = value.const_value
            if tensor is None or not _belongs_in_file(tensor):
                continue
            data = tensor.tobytes()
            digest = hashlib.sha256(data).digest()
            if digest not in stored:
                padding = bytes(-file.tell() % _ALIGNMENT_BYTES)
                stored[digest] = Place(file.tell() + len(padding), len(data))
                for part in (padding, data):
                    file.write(part)
                    total.update(part)
            places[name] = stored[digest]
    return WeightFile(path, places, total.hexdigest())


def _belongs_in_file(tensor: ir.TensorProtocol) -> bool:
    return tensor.dtype != ir.DataType.STRING and tensor.nbytes >= _SMALLEST_BYTES

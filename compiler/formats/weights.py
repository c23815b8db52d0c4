"""The weights of a model, once, in one file that engines can map in place.

Weights with equal bytes are stored once. Small ones stay inside the stages' ONNX models, where
engines look for the constants that shapes depend on.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

import numpy as np
import onnx_ir as ir

from stagecut.compiler.formats.alias_tensor import AliasTensor
from stagecut.compiler.formats.archive import ArchiveWriter
from stagecut.compiler.formats.atomic import writing
from stagecut.compiler.formats.kept_file import KeptFile
from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.formats.model_tensors import tensors
from stagecut.compiler.formats.quantised_nodes import with_nodes, without_nodes
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor, stored_parts

#: The member of a plan that holds them, and the location that the stages' ONNX models name.
FILE_NAME = "weights.bin"

#: Weights below this stay inside the ONNX models.
_SMALLEST_BYTES = 1024

#: Enough for any vector register.
_ALIGNMENT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a weight lies in the file, and the SHA-256 of its bytes."""

    offset: int
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    """Where a model's large weights lie: in `region`, which is mapped.

    `places` are the model's, by initializer name; `sha256` is of its weights in their order.
    """

    region: memoryview
    places: Mapping[str, Place]
    sha256: str

    def read(self) -> None:
        """Read all of it once, so that it passes through the CPU's caches."""
        np.bitwise_or.reduce(np.frombuffer(self.region, np.uint64, len(self.region) // 8))

    def refer(self, graph: ir.Graph) -> None:
        """Let the large weights of `graph`, the model or a part of it, lie in this file."""
        for name, value in graph.initializers.items():
            if value.const_value is not None:
                value.const_value = self._tensor(name, value.const_value)

    def _tensor(self, name: str, like: ir.TensorProtocol) -> ir.TensorProtocol:
        """The weight called `name` as a tensor in this file; `like` itself where it is small."""
        if isinstance(like, QuantisedTensor):
            return like.lying_in(
                *(self._tensor(own, part) for own, part in stored_parts(name, like))
            )
        place = self.places.get(name)
        if place is None:
            return like
        shape = ir.Shape(like.shape.numpy())
        return MappedTensor(
            self.region, FILE_NAME, place.offset, like.dtype, shape, name, place.sha256
        )


def model_bytes(model: ir.Model) -> bytes:
    """`model`, whose large weights lie in a weight file, as a member of a plan beside that file."""
    data: bytes = ir.serde.serialize_model(with_nodes(model)).SerializeToString(deterministic=True)
    return data


def put_in_place(model: ir.Model, region: memoryview) -> str | None:
    """Let the weights that `model`, read from a plan, names in a weight file lie in `region`, where
    that is mapped, those in few bits among them. What is wrong with the first that is in another
    file, or not all there, or no initializer of the main graph, or not of its form; None where all
    is well."""
    for kept in tensors(model):
        if isinstance(kept.tensor, ir.ExternalTensor):
            mapped = _in_place(kept.tensor, region)
            if mapped is None or kept.initializer is None:
                return f"weight {kept.tensor.name} lies outside of {FILE_NAME}"
            kept.replace(mapped)
    return without_nodes(model)


def _in_place(tensor: ir.ExternalTensor, region: memoryview) -> MappedTensor | None:
    """`tensor` in the weight file, which is mapped as `region`; None where it is not all there."""
    offset, length, shape = tensor.offset or 0, tensor.nbytes, ir.Shape(tensor.shape.numpy())
    named = os.fspath(tensor.location) == FILE_NAME and tensor.length in {None, length}
    if not named or offset < 0 or not 0 <= length <= len(region) - offset:
        return None
    return MappedTensor(region, FILE_NAME, offset, tensor.dtype, shape, tensor.name or "")


def write_weights(models: Sequence[ir.Model], folder: Path) -> tuple[WeightFile, ...]:
    """Write the large initializers of all `models` to one new file in `folder`, in graph order."""
    path = folder / FILE_NAME
    with writing(path), path.open("wb") as file:
        found = _written(models, target := _Plain(file))
    return _mapped(found, path, 0, target.size)


def write_weights_into(
    models: Sequence[ir.Model], archive: ArchiveWriter
) -> tuple[WeightFile, ...]:
    """The same as a member of an archive, from which engines map them where they lie."""
    with archive.member(FILE_NAME) as member:
        found = _written(models, member)
    return _mapped(found, archive.path, member.offset, member.size)


def write_models_into(
    models: Mapping[str, ir.Model], archive: ArchiveWriter
) -> Mapping[str, bytes]:
    """Write the weights of `models`, which lie in the archive from then on; these as members, by
    name, that are to be added."""
    for model, file in zip(
        models.values(), write_weights_into([*models.values()], archive), strict=True
    ):
        file.refer(model.graph)
    return {name: model_bytes(model) for name, model in models.items()}


class _Target(Protocol):
    """Something to write to that knows how much has been written."""

    @property
    def size(self) -> int: ...
    def write(self, data: bytes) -> None: ...


class _Plain:
    """A file that holds nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)


#: The places of a model's weights, and the SHA-256 of these.
_Found: TypeAlias = tuple[Mapping[str, Place], str]


def _mapped(found: Sequence[_Found], path: Path, base: int, size: int) -> tuple[WeightFile, ...]:
    region = KeptFile(path).mapped[base : base + size]
    return tuple(WeightFile(region, places, sha256) for places, sha256 in found)


def _written(models: Sequence[ir.Model], target: _Target) -> list[_Found]:
    write = _Once(target)
    return [_append(model, write) for model in models]


def _append(model: ir.Model, write: "_Once") -> _Found:
    places: dict[str, Place] = {}
    total = hashlib.sha256()
    for name, value in model.graph.initializers.items():
        if value.const_value is None:
            continue
        for own, tensor in stored_parts(name, value.const_value):
            if _belongs_in_file(tensor):
                places[own] = place = write(tensor)
                total.update(bytes.fromhex(place.sha256))
    return places, total.hexdigest()


class _Once:
    """Writes tensors to `target`, equal ones once; reads none again that models share."""

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._places: dict[str, Place] = {}
        #: By identity; kept, so that no other tensor gets it.
        self._known: dict[int, tuple[ir.TensorProtocol, Place]] = {}

    def __call__(self, tensor: ir.TensorProtocol) -> Place:
        """Where a tensor lies."""
        tensor = tensor.of if isinstance(tensor, AliasTensor) else tensor
        if id(tensor) not in self._known:
            self._known[id(tensor)] = tensor, self._place(tensor)
        return self._known[id(tensor)][1]

    def _place(self, tensor: ir.TensorProtocol) -> Place:
        digest = tensor.sha256 if isinstance(tensor, MappedTensor) else None
        if digest in self._places:
            return self._places[digest]
        data = tensor.tobytes()
        digest = digest or hashlib.sha256(data).hexdigest()
        if digest not in self._places:
            self._target.write(bytes(-self._target.size % _ALIGNMENT_BYTES))
            self._places[digest] = Place(self._target.size, len(data), digest)
            self._target.write(data)
        return self._places[digest]


def _belongs_in_file(tensor: ir.TensorProtocol) -> bool:
    return tensor.dtype != ir.DataType.STRING and tensor.nbytes >= _SMALLEST_BYTES

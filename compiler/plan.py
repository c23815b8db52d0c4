"""The plan file: one archive with the manifest, a model for each stage, the weights, the costs."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from pydantic import ConfigDict, TypeAdapter, ValidationError

from stagecut.compiler import weights
from stagecut.compiler.archive import Archive, replacing, write_archive
from stagecut.compiler.backend import StageProgram
from stagecut.compiler.errors import PlanError
from stagecut.compiler.graph import Value
from stagecut.compiler.manifest import SCHEMA, Manifest, Port
from stagecut.compiler.staging import Stage

MANIFEST_FILE = "plan.json"
COSTS_FILE = "costs.json"
_MANIFEST = TypeAdapter(Manifest)
#: JSON has no infinity, which the error of an output may be: it stands there as a string.
_DOCUMENT = TypeAdapter(dict[str, Any], config=ConfigDict(ser_json_inf_nan="strings"))


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled model. `archive` is its file; a plan that was never saved keeps it in a folder
    of its own, which goes when the plan goes."""

    manifest: Manifest
    archive: Archive
    _folder: object = field(default=None, repr=False, compare=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, folder: object = None) -> "Plan":
        """Read and check a plan file; raises PlanError for one that is not whole or not ours."""
        archive = Archive(Path(path))
        document = _document(archive)
        members = document.pop("members")
        document.pop("schema")
        _check_members(archive, members)
        try:
            manifest = _MANIFEST.validate_python(document)
        except ValidationError as error:
            first = error.errors()[0]
            raise PlanError(
                f"{first['msg']}, at {'.'.join(map(str, first['loc']))}",
                where=f"{archive.path}: {MANIFEST_FILE}",
                fix="compile the plan again with this version of stagecut",
            ) from error
        return cls(manifest, archive, folder)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to `path`, whole or not at all; what was there before is replaced."""
        with replacing(Path(path)) as temporary:
            shutil.copyfile(self.archive.path, temporary)

    @property
    def costs(self) -> str:
        """The cost table that the plan was made from, as `stagecut.costs/1`."""
        return self.archive.read(COSTS_FILE).decode()

    def stages(self, *, fallback: bool = False) -> tuple[Stage, ...]:
        """The stages with their programs, or those that stand in where an engine is missing.

        Large weights point into the plan file.
        """
        return tuple(
            Stage(
                planned.device,
                planned.nodes,
                StageProgram(
                    planned.file.removesuffix(".onnx"),
                    self._model(planned.file),
                    _values(planned.inputs),
                    _values(planned.outputs),
                ),
                planned.predicted_s if self._is_modelled(planned.device) else None,
            )
            for planned in (self.manifest.fallback if fallback else self.manifest.stages)
        )

    def _is_modelled(self, device: str) -> bool:
        return self.manifest.machine.device(device).basis == "modelled"

    def _model(self, file: str) -> ir.Model:
        proto = onnx.load_model_from_string(self.archive.read(file))
        model = ir.from_proto(proto)
        base = self.archive.offset(weights.FILE_NAME)
        for name, value in model.graph.initializers.items():
            tensor = value.const_value
            if isinstance(tensor, ir.ExternalTensor):
                value.const_value = ir.ExternalTensor(
                    self.archive.path.name,
                    base + (tensor.offset or 0),
                    tensor.length,
                    tensor.dtype,
                    shape=ir.Shape(tensor.shape),
                    name=name,
                    base_dir=self.archive.path.resolve().parent,
                )
        return model


def write_plan(path: Path, manifest: Manifest, files: Mapping[str, bytes | Path]) -> None:
    """Write a plan file; `files` holds every member but the manifest."""
    document = {
        "schema": SCHEMA,
        **_MANIFEST.dump_python(manifest, mode="json"),
        "members": {name: _sha256(content) for name, content in files.items()},
    }
    text = _DOCUMENT.dump_json(document, indent=1)
    write_archive(path, {MANIFEST_FILE: text, **files})


def _document(archive: Archive) -> dict[str, Any]:
    """The manifest's JSON. The schema comes first: a newer one may be sealed in another way."""
    try:
        document = _DOCUMENT.validate_json(archive.read(MANIFEST_FILE))
    except ValidationError as error:
        archive.verify()
        raise PlanError(
            "is not valid JSON",
            where=f"{archive.path}: {MANIFEST_FILE}",
            fix="compile the plan again",
        ) from error
    schema = document.get("schema")
    if schema != SCHEMA:
        raise PlanError(
            f"has schema {schema!r}; this version of stagecut reads {SCHEMA!r}",
            where=str(archive.path),
            fix="use the version of stagecut that wrote it, or compile the plan again",
        )
    archive.verify()
    return document


def _check_members(archive: Archive, expected: object) -> None:
    """The archive's seal covers the contents; this says that nothing is missing or foreign."""
    names = set(expected) if isinstance(expected, dict) else set()
    if names | {MANIFEST_FILE} != set(archive.names()):
        raise PlanError(
            "does not hold the members that its manifest names",
            where=str(archive.path),
            fix="compile the plan again",
        )


def _values(ports: tuple[Port, ...]) -> tuple[Value, ...]:
    return tuple(Value(port.name, port.dtype, port.shape) for port in ports)


def _sha256(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

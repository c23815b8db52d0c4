"""The plan file: one archive with a manifest, the stages' models and the costs for each shape that
was profiled, the weights once, and the whole model where it has open dimensions.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from pydantic import ConfigDict, TypeAdapter, ValidationError

from stagecut.compiler.formats import weights
from stagecut.compiler.formats.archive import Archive, replacing, write_archive
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.errors import PlanError, ShapeError
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.plan import SCHEMA, Manifest, Port, shape_text
from stagecut.compiler.ir.schedule import Stage

MANIFEST_FILE = "plan.json"
#: The whole model with its open dimensions, from which stages are cut for other shapes.
MODEL_FILE = "model.onnx"
_MANIFEST = TypeAdapter(Manifest)
#: JSON has no infinity, which the error of an output may be: it stands there as a string.
_DOCUMENT = TypeAdapter(dict[str, Any], config=ConfigDict(ser_json_inf_nan="strings"))


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled model. `archive` is its file; a plan that was never saved keeps it in a folder
    of its own, which goes when the plan goes.

    A model that was compiled for several shapes has a variant for each, in the order in which they
    were asked for: a plan with a manifest of its own, in the same archive. A plan that was loaded
    is its own first variant.
    """

    manifest: Manifest
    archive: Archive
    _folder: object = field(default=None, repr=False, compare=False)
    _others: tuple[Manifest, ...] = field(default=(), repr=False)
    _index: int = 0

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, folder: object = None) -> "Plan":
        """Read and check a plan file; raises PlanError for one that is not whole or not ours."""
        archive = Archive(Path(path))
        document = _document(archive)
        members = document.pop("members")
        document.pop("schema")
        others = document.pop("variants", [])
        _check_members(archive, members)
        try:
            manifest = _MANIFEST.validate_python(document)
            variants = tuple(map(_MANIFEST.validate_python, others))
        except ValidationError as error:
            first = error.errors()[0]
            raise PlanError(
                f"{first['msg']}, at {'.'.join(map(str, first['loc']))}",
                where=f"{archive.path}: {MANIFEST_FILE}",
                fix="compile the plan again with this version of stagecut",
            ) from error
        return cls(manifest, archive, folder, variants)

    @property
    def variants(self) -> tuple["Plan", ...]:
        """One for each shape that was profiled; of a variant, itself alone."""
        return (
            replace(self, _others=()),
            *(
                replace(self, manifest=manifest, _others=(), _index=index)
                for index, manifest in enumerate(self._others, start=1)
            ),
        )

    def variant(self, shapes: Mapping[str, tuple[int, ...]]) -> "Plan":
        """The one that was profiled with `shapes`; raises ShapeError where there is none."""
        for variant in self.variants:
            profiled = {port.name: port.shape for port in variant.manifest.inputs}
            if shapes.items() <= profiled.items():  # all of them, where no shape is asked for
                return variant
        raise ShapeError(
            f"the plan was not profiled with {shape_text(shapes)}",
            where=str(self.archive.path),
            fix="it was with " + "; or ".join(v.manifest.profiled for v in self.variants),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan to `path`, whole or not at all; what was there before is replaced."""
        with replacing(Path(path)) as temporary:
            shutil.copyfile(self.archive.path, temporary)

    @property
    def costs(self) -> str:
        """The cost table that the plan was made from, as `stagecut.costs/1`."""
        return self.archive.read(costs_file(self._index)).decode()

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

    def open_model(self) -> ir.Model:
        """The whole model with its open dimensions; raises PlanError for one that has none."""
        return self._model(MODEL_FILE)

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


def costs_file(variant: int) -> str:
    """The member with the cost table of a variant, by its index."""
    return f"{file_prefix(variant)}costs.json"


def file_prefix(variant: int) -> str:
    """What the names of a variant's own members begin with."""
    return f"variant-{variant}-" if variant else ""


def write_plan(
    path: Path, manifests: Sequence[Manifest], files: Mapping[str, bytes | Path]
) -> None:
    """Write a plan file; `manifests` has one for each variant, `files` every other member."""
    first, *others = (_MANIFEST.dump_python(manifest, mode="json") for manifest in manifests)
    document = {
        "schema": SCHEMA,
        **first,
        **({"variants": others} if others else {}),
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
